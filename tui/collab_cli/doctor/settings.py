"""The settings: the file, variables, and whether they go together."""

from __future__ import annotations

from collab_cli.commands.config import wrong_together
from collab_cli.doctor.case import Case
from collab_cli.doctor.findings import Findings, fine, warning, wrong
from collab_cli.doctor.places import account
from collab_cli.exits import UsageError
from collab_cli.settings.layers import Layers
from collab_cli.settings.table import SETTINGS

_PUT_RIGHT = "put it right: collab config edit"


def look_at_settings(case: Case) -> Findings:
    file = case.file
    edit = _PUT_RIGHT if case.folders.named_config is None else f"put it right in {file.path}"
    if file.is_unread:
        edit = f"let {account(case.user_id)} read it, or name another in COLLAB_CONFIG"
    for complaint in file.found_wrong:
        if complaint.concerns_serving:
            yield wrong(complaint.text, f"{edit} (`collab serve` does not start with it)")
        else:
            yield warning(complaint.text, edit)
    variables = Layers(case.environ, type(file)(file.path))  # what the file says of them has been told
    for setting in SETTINGS:
        try:
            variables.find(setting)
        except UsageError as error:
            yield wrong(str(error), f"set {setting.variable} to what it may be, or unset it")
    for text in wrong_together(file):
        yield wrong(text, edit)
    if not file.found_wrong:
        state = "nothing is wrong in it" if file.path.exists() else "not there, and none is needed"
        yield fine(f"{file.path}: {state}")
