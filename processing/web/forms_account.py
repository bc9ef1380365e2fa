"""Forms of people and their passwords: Django's own, in this house's words."""

from typing import Any, cast
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib.auth import forms as auth
from django.contrib.auth.models import User
from django.db.models import QuerySet

NAME_HELP = "Letters, digits and @ . + - _"
RULES = "8 characters or more, not a common one, not like the name."  # AUTH_PASSWORD_VALIDATORS


class SignInForm(auth.AuthenticationForm):
    error_messages = {
        "invalid_login": "Name and password do not match. Capitals count in both.",
        "inactive": "This account is switched off. Ask an operator.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "Name"


class RulesOfTheFirst:
    """What is wrong with a password is said where it was typed first; Django says it where it was typed again."""

    def validate_password_for_user(self, user: User, field: str = "password2") -> None:
        super().validate_password_for_user(user, field.replace("2", "1"))  # type: ignore[misc]


class NewAccountForm(RulesOfTheFirst, auth.UserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("username", "email")
        labels = {"username": "Name", "email": "Email (may be left empty)"}
        help_texts = {"username": NAME_HELP}
        widgets = {"email": forms.TextInput(attrs={"inputmode": "email", "autocomplete": "email"})}
        error_messages = {"username": {"unique": "Somebody has this name already. Choose another."}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = RULES
        self.fields["password2"].label = "Password again"
        self.fields["password2"].help_text = ""


def _name_new_password(form: forms.Form) -> None:
    form.fields["new_password1"].help_text = RULES
    form.fields["new_password2"].label = "New password again"
    form.fields["new_password2"].help_text = ""


class NewPasswordForm(RulesOfTheFirst, auth.SetPasswordForm):  # type: ignore[type-arg]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _name_new_password(self)


class PasswordChangeForm(RulesOfTheFirst, auth.PasswordChangeForm):
    error_messages = {
        **auth.PasswordChangeForm.error_messages,
        "password_incorrect": "This is not your current password.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _name_new_password(self)
        self.fields["old_password"].label = "Current password"


class PasswordMailForm(auth.PasswordResetForm):
    def save(self, *args: Any, **kwargs: Any) -> None:
        """The link leads to the configured address: a forged Host header cannot lead it, and the token, elsewhere."""
        super().save(**{**kwargs, "domain_override": urlsplit(settings.URL).netloc, "use_https": settings.HTTPS})


class InvitationForm(forms.Form):
    note = forms.CharField(label="Whom it is for", max_length=100, required=False)


class PasswordLinkForm(forms.Form):
    """For whom an operator makes a reset link: operators' own passwords are a superuser's business."""

    person = forms.ModelChoiceField(queryset=User.objects.none(), label="Person", empty_label="Choose a person")

    def __init__(self, *args: Any, operator: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ModelChoiceField[User]", self.fields["person"]).queryset = _may_reset(operator)


def _may_reset(operator: User) -> "QuerySet[User]":
    people = User.objects.filter(is_active=True).order_by("username")
    return people if operator.is_superuser else people.filter(is_staff=False, is_superuser=False)
