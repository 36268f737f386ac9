"""`python -m config.keys`: fresh secrets for a production hub, as lines for its .env."""

import base64
import secrets
import sys


def fresh() -> dict[str, str]:
    """New values of every secret that production asks for."""
    keys = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in ("FIELD", "INDEX", "TOKEN")}
    return {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "HUB_FIELD_KEYS": f"1:{keys['FIELD']}",
        "HUB_INDEX_KEYS": f"1:{keys['INDEX']}",
        "HUB_TOKEN_KEY": keys["TOKEN"],
    }


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}={value}\n" for name, value in fresh().items())
