"""A real image archive for the demonstration: Orthanc with its DICOMweb plugin, from the operating system's packages.

It keeps what it is sent in the demonstration's folder, wants a password, and is never asked to transcode.
"""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path

from cds.errors import SettingsError

_USER = "demo"
_PROGRAMS = ("/usr/sbin/Orthanc",)
_PLUGINS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc/plugins", "/usr/local/share/orthanc/plugins")
_HOW = "install it with: apt-get install --no-install-recommends orthanc orthanc-dicomweb"


def command(folder: Path, port: int) -> tuple[list[str], str, str, str]:
    """(command line, DICOMweb base, user, password). Raises SettingsError where Orthanc is not installed."""
    program = shutil.which("Orthanc") or next((p for p in _PROGRAMS if Path(p).exists()), None)
    if program is None:
        raise SettingsError(f"--pacs needs Orthanc, which is not on this machine; {_HOW}")
    plugin = next((p for name in _PLUGINS if (p := Path(name) / "libOrthancDicomWeb.so").exists()), None)
    if plugin is None:
        raise SettingsError(f"--pacs needs Orthanc's DICOMweb plugin, which is not on this machine; {_HOW}")
    password = secrets.token_urlsafe(24)
    store, configuration = folder / "orthanc", folder / "orthanc.json"
    configuration.touch(mode=0o600)
    configuration.write_text(
        json.dumps(
            {
                "Name": "DEMO-PACS",
                "StorageDirectory": str(store),
                "IndexDirectory": str(store),
                "Plugins": [str(plugin)],
                "HttpPort": port,
                "HttpCompressionEnabled": False,
                "KeepAlive": True,
                "TcpNoDelay": True,
                # this machine only, and not without the password
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": True,
                "RegisteredUsers": {_USER: password},
                "DicomServerEnabled": False,
                "SaveJobs": False,
                "DicomWeb": {
                    "Enable": True,
                    "Root": "/dicom-web/",
                    "SeriesMetadata": "Full",
                    "QidoCaseSensitive": False,
                },
            }
        ),
        encoding="utf-8",
    )
    return [program, str(configuration)], f"http://127.0.0.1:{port}/dicom-web", _USER, password
