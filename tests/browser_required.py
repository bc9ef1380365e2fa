"""A pytest plugin for CI: a run in which a browser test did not run is a failed run."""

import pytest

passed = 0
left_out: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    global passed
    if "browser" in report.keywords:
        passed += report.when == "call" and report.passed
        if report.skipped and not hasattr(report, "wasxfail"):
            left_out.append(report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    is_worker = hasattr(session.config, "workerinput")  # of several that share the tests
    if session.exitstatus == pytest.ExitCode.OK and not is_worker and (left_out or not passed):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if left_out or not passed:
        what = ", ".join(left_out) or "not one passed"
        terminalreporter.write_line(f"The browser tests are required here, but were not all run: {what}.", red=True)
