"""/account/"""

from django.urls import path

from processing.web import accounts, backgrounds, presets, statistics, tokens

urlpatterns = [
    path("", accounts.account, name="account"),
    path("login/", accounts.SignIn.as_view(), name="login"),
    path("logout/", accounts.SignOut.as_view(), name="logout"),
    path("signing-secret/", accounts.new_signing_secret, name="signing-secret"),
    path("sign-up/", accounts.sign_up, name="sign-up"),
    path("password/", accounts.PasswordChange.as_view(), name="password_change"),
    path("password/done/", accounts.PasswordChangeDone.as_view(), name="password_change_done"),
    path("password/reset/", accounts.PasswordReset.as_view(), name="password_reset"),
    path("password/reset/sent/", accounts.PasswordResetDone.as_view(), name="password_reset_done"),
    path("password/reset/complete/", accounts.PasswordResetComplete.as_view(), name="password_reset_complete"),
    path("password/reset/<uidb64>/<token>/", accounts.PasswordResetConfirm.as_view(), name="password_reset_confirm"),
    path("statistics/", statistics.page, name="statistics"),
    path("tokens/", tokens.page, name="tokens"),
    path("tokens/forget/", tokens.forget, name="tokens-forget"),
    path("tokens/<int:pk>/revoke/", tokens.revoke, name="token-revoke"),
    path("presets/", presets.page, name="presets"),
    path("presets/save/", presets.save, name="preset-save"),
    path("presets/<int:pk>/rename/", presets.rename, name="preset-rename"),
    path("presets/<int:pk>/delete/", presets.delete, name="preset-delete"),
    path("presets/<int:pk>/default/", presets.make_default, name="preset-default"),
    path("presets/<int:pk>/share/", presets.share, name="preset-share"),
    path("backgrounds/", backgrounds.add, name="background-add"),
    path("backgrounds/<int:pk>/", backgrounds.file, name="background"),
    path("backgrounds/<int:pk>/delete/", backgrounds.delete, name="background-delete"),
    path("invitations/", accounts.invitation_list, name="invitations"),
    path("invitations/password-link/", accounts.password_link, name="password-link"),
    path("invitations/<int:pk>/revoke/", accounts.invitation_revoke, name="invitation-revoke"),
    path("invitation/<str:token>/", accounts.invitation, name="invitation"),
]
