"""Lists the files of the standard library that the services import, one a line."""

import importlib
import sys
import sysconfig

for name in ("gateway", "dispatcher", "persistence", "webhooks", "cabrank"):
    importlib.import_module(f"{name}.main")
for name in (
    "gateway.http.app",
    "webhooks.sending",
    "cabrank.operate.migrate",
    "cabrank.operate.users",
):
    importlib.import_module(name)
library = sysconfig.get_path("stdlib") + "/"
files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
ours = sorted(file for file in files if file and file.startswith(library))
sys.stdout.write("\n".join(ours) + "\n")
