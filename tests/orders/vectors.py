"""Published test vectors of WeChat Pay's SDKs (`vectors.json`)."""

import json
from pathlib import Path

_vectors = json.loads(Path(__file__).with_name("vectors.json").read_text("utf-8"))
NOTIFICATION = _vectors["apiv3_notify_go"]
AES_GCM_JAVA = _vectors["aes_gcm_java"]
