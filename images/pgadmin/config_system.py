# What differs from pgAdmin's own defaults. The container is reached by the platform only, which takes off whatever a client
# says of who it is and says it itself.
import os

SERVER_MODE = True
DATA_DIR = os.path.expanduser("~/data")
LOG_FILE = os.path.join(DATA_DIR, "pgadmin4.log")

# By their id: names are chosen by those who bear them, and two may choose the same one.
AUTHENTICATION_SOURCES = ["webserver"]
WEBSERVER_AUTO_CREATE_USER = True
WEBSERVER_REMOTE_USER = "X-Auth-User-Id"
WEBSERVER_REMOTE_USER_FROM_HEADER = True
WEBSERVER_TRUSTED_PROXIES = ["0.0.0.0/0", "::/0"]

# There is no password that what is kept could be encrypted with.
MASTER_PASSWORD_REQUIRED = False
UPGRADE_CHECK_ENABLED = False
DEFAULT_BINARY_PATHS = {"pg": "/usr/bin"}
