"""What is known, by name, of modules that are not followed.

NEUTRAL modules neither import TensorFlow or Keras, nor change the process's environment, nor make a Keras
model: what is in neither table is unknown, and after its import so is what depends on it. The lists are of
what training scripts import; a name is here only where that holds for its import and its common use.
"""

from __future__ import annotations

from .text import words

NEUTRAL = words(
    """
    absl accelerate albumentations arrow astropy attr attrs boto3 botocore bs4 cachetools certifi cffi
    chardet click cloudpickle colorama configargparse contexttimer cv2 cycler cython dask dateutil deap
    decord dill docopt easydict einops faiss fasteners filelock fire flask fsspec gast gdown gensim gin
    git google_auth gzip h5py holoviews humanize hydra imageio imgaug imutils ipywidgets jax jaxlib
    joblib jsonlines jsonschema kaggle librosa lightgbm lmdb loguru lxml lz4 marshmallow matplotlib
    mlxtend mpi4py mpl_toolkits msgpack multiprocess natsort netCDF4 networkx nibabel nltk numba numexpr
    numpy nvtx omegaconf onnx openpyxl opt_einsum orjson packaging pandas pathos patsy pickle5 PIL
    plotly polars portalocker prettytable prometheus_client protobuf psutil psycopg2 py7zr pyarrow
    pycocotools pydantic pydicom pydot pygments pymongo pynvml pyparsing pytest pythonjsonlogger pytz
    rasterio redis regex requests rich ruamel sacrebleu scipy seaborn segyio sentencepiece setproctitle
    setuptools simplejson six skimage sklearn smart_open sortedcontainers soundfile spacy sqlalchemy
    statsmodels sympy tables tabulate tensorboard termcolor tifffile tokenizers toml tomli torch
    torchaudio torchvision tornado tqdm typeguard typer typing_extensions ujson umap unidecode urllib3
    wget xarray xgboost xmltodict yacs yaml zarr zmq
    """
)

# Parts of neutral packages that are not neutral, and parts of others that are.
NOT_NEUTRAL = (
    "imgaug.augmenters.tf",
    "tensorboard.plugins.hparams.keras",
    "xgboost.spark",
    "absl.testing.tf",
)

# Modules that import TensorFlow, surely ("yes") or on some ways ("maybe"), and use no Keras unless the script
# asks them.
IMPORTS_TENSORFLOW = {
    "horovod.tensorflow": "yes",
    "horovod.tensorflow.keras": "yes",
    "horovod.tensorflow.mpi_ops": "yes",
    "intel_extension_for_tensorflow": "yes",
    "tensorflow": "yes",
    "tensorflow_addons": "yes",
    "tensorflow_datasets": "maybe",
    "tensorflow_hub": "yes",
    "tensorflow_io": "yes",
    "tensorflow_estimator": "yes",
    "tensorflow_text": "yes",
}
NEUTRAL_PREFIXES = (
    "horovod.tensorflow",
    "horovod.common",
    "horovod.runner",
    "tensorflow_datasets",
    "tensorflow_io",
)
# Packages that make models and are not followed, but set no variable of interest when they are imported.
LEAVE_ENVIRONMENT = frozenset(
    {
        "keras_cv",
        "keras_tuner",
        "tensorflow_addons",
        "tensorflow_hub",
        "tensorflow_model_optimization",
        "tensorflow_probability",
    }
)
# Importing the package itself does nothing of interest; its parts may.
NEUTRAL_ROOTS = frozenset({"horovod", "google", "wandb", "mlflow", "comet_ml", "IPython", "ray", "optuna"})

# Calls that run a function of the script which they are given: at once, and for certain.
RUNNERS = frozenset(
    {
        "absl.app.run",
        "fire.Fire",
        "typer.run",
        "cProfile.run",
        "timeit.timeit",
        "asyncio.run",
    }
)

# Decorators under which a call of the function still is a call of its body.
TRANSPARENT = frozenset(
    {
        "tensorflow.function",
        "tensorflow.autograph.experimental.do_not_convert",
        "tensorflow.autograph.to_graph",
        "tensorflow.custom_gradient",
        "tensorflow.keras.utils.register_keras_serializable",
        "tensorflow.keras.saving.register_keras_serializable",
        "keras.utils.register_keras_serializable",
        "keras.saving.register_keras_serializable",
        "tf_keras.utils.register_keras_serializable",
        "tf_keras.saving.register_keras_serializable",
        "functools.wraps",
        "functools.lru_cache",
        "functools.cache",
        "contextlib.contextmanager",
        "abc.abstractmethod",
        "typing.no_type_check",
        "typing.overload",
        "typing.final",
        "hydra.main",
        "click.command",
        "click.option",
        "click.argument",
        "click.pass_context",
        "typeguard.typechecked",
        "gin.configurable",
        "absl.flags.mark_flags_as_required",
        "tqdm.tqdm",
        "numba.jit",
        "numba.njit",
        "torch.no_grad",
        "functools.singledispatch",
    }
)

# Names of ranks among the processes of one node.
LOCAL_RANK_VARIABLES = frozenset(
    {
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "MPI_LOCALRANKID",
        "PALS_LOCAL_RANKID",
        "FLUX_TASK_LOCAL_ID",
        "SLURM_LOCALID",
        "HOROVOD_LOCAL_RANK",
        "LOCAL_RANK",
        "MV2_COMM_WORLD_LOCAL_RANK",
    }
)


def standing(path, standard):
    """What an import of this dotted name means: tensorflow, keras, tf_keras, itex, standard, neutral or
    unknown.
    """
    top = path.split(".")[0]
    if top in ("tensorflow", "keras", "tf_keras"):
        return top
    if top == "intel_extension_for_tensorflow":
        return "itex"
    if top in standard:
        return "standard"
    if any(path == name or path.startswith(name + ".") for name in NOT_NEUTRAL):
        return "unknown"
    if top in NEUTRAL or path in NEUTRAL_ROOTS:
        return "neutral"
    if any(path == prefix or path.startswith(prefix + ".") for prefix in NEUTRAL_PREFIXES):
        return "neutral"
    return "unknown"


def imports_tensorflow(path):
    """yes, maybe or no, for modules that are known."""
    while path:
        if path in IMPORTS_TENSORFLOW:
            return IMPORTS_TENSORFLOW[path]
        path = path.rpartition(".")[0]
    return "no"
