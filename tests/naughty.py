"""Names of files that try something: to be markup, a script, a formula, a header, a path, another's extension."""

TAG, ATTRIBUTE = "b-naughty", "onnaughty"  # none of ours is called so: what is found as one got through
FAR = "https://naughty.example/"

MARKUP = [
    f"<{TAG}>.jpg", f'"><{TAG} {ATTRIBUTE}="1">.jpg', f"'><{TAG} {ATTRIBUTE}='1'>.jpg", f'" {ATTRIBUTE}="1.jpg',
    f"' {ATTRIBUTE}='1.jpg", f"x {ATTRIBUTE}=1.jpg", f"</title><{TAG}>.jpg", f"</script><{TAG}>.jpg",
    f"</textarea></select></style><{TAG}>.jpg", f"<!--<{TAG}>.jpg", f"--><{TAG}>.jpg", f"]]><{TAG}>.jpg",
    f"<img src={FAR} {ATTRIBUTE}=1>.jpg", f"<script src={FAR}>.jpg", f"<svg><{TAG}>.jpg", f"<\\/{TAG}>.jpg",
    f"&lt;{TAG}&gt;.jpg", f"&#60;{TAG}&#62;.jpg", f"%3C{TAG}%3E.jpg", f"\\u003c{TAG}\\u003e.jpg", f"＜{TAG}＞.jpg",
    f"<<{TAG}>>.jpg", f"<{TAG}\n{ATTRIBUTE}=1>.jpg", f"<{TAG}/{ATTRIBUTE}=1>.jpg", "&.jpg", "&amp;.jpg", "<.jpg",
]  # fmt: skip
SCRIPTS = [
    "javascript:alert(1).jpg", "{{ 7|add:7 }}{% now 'Y' %}.jpg", "${7*7}.jpg", "#{7*7}.jpg", "<%= 7*7 %>.jpg",
    "'; DROP TABLE processing_upload; --.jpg", "' OR '1'='1.jpg", "$(touch naughty).jpg", "`touch naughty`.jpg",
    "; touch naughty.jpg", "| touch naughty.jpg", "-rf.jpg", "--help.jpg", "~.jpg", "*.jpg", "%s%n%x.jpg", "\\.jpg",
    "__proto__.jpg", "constructor", "null", "undefined", "NaN", "1e309", "-0", "true", "0x10.jpg",
]  # fmt: skip
FORMULAS = [
    f'=HYPERLINK("{FAR}").jpg', "+1+1.jpg", "-1+1.jpg", "@SUM(A1).jpg", "＝1+1.jpg", "＠A1.jpg", "\t=1+1.jpg",
    "\r=1+1.jpg", " =1+1.jpg", "a,b.jpg", 'a"b.jpg', 'a""b.jpg', "a;b.jpg", "a\tb.jpg", "'=1.jpg", "a\r\nb,c.jpg",
]  # fmt: skip
HEADERS = [
    "a\r\nSet-Cookie: naughty=1.jpg", "a\nX-Naughty: 1.jpg", 'a"; filename="naughty.exe', "a; filename=naughty.exe",
    "a'; filename*=UTF-8''naughty.exe", "a%0d%0aSet-Cookie: naughty=1.jpg", "UTF-8''naughty.exe", "=?utf-8?q?a?=.jpg",
]  # fmt: skip
PATHS = [
    "../../naughty.jpg", "..\\..\\naughty.jpg", "/etc/passwd", "C:\\naughty.jpg", "\\\\host\\share\\naughty.jpg",
    "....//naughty.jpg", "..", ".", "...", "/", "a/", "a/../../naughty.jpg", "%2e%2e%2fnaughty.jpg", "..%5cnaughty.jpg",
    "CON.jpg", "nul", "COM1.jpg", "LPT¹.jpg", "a.jpg ", "a.jpg.", "a.jpg::$DATA", ".htaccess", "a\0.jpg", "\0", " ", "",
    "manifest.csv", "a.jpg/b.jpg", "~root/a.jpg", "file:///etc/passwd",
]  # fmt: skip
LETTERS = [
    "a\u202egpj.exe", "\u2066a\u2069.jpg", "a\u200bb.jpg", "\ufeffa.jpg", "a\u2028b.jpg", "a\x1b[31mred.jpg",
    "a\x7f.jpg", "a\x85b.jpg", "\u00a0.jpg", "e\u0301.jpg", "é.jpg", "İ.jpg", "ß.jpg", "ﬁ.jpg", "Å.jpg", "שלום.jpg",
    "مرحبا.jpg", "👩‍👩‍👧.jpg", "🏳️‍🌈.jpg", "Z" + "\u0335\u0322" * 20 + ".jpg", "𝒳.jpg", "\U000e0001.jpg", "\uffff.jpg",
    "x" * 400 + ".jpg", "㐀" * 90 + ".jpg", "👩" * 70, "a." + "b" * 300, "." * 300,
]  # fmt: skip
NAMES = [*MARKUP, *SCRIPTS, *FORMULAS, *HEADERS, *PATHS, *LETTERS]
