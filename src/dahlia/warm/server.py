"""The warm process: it imports, says so, and forks on request, until its starter is gone.

It imports everything that the stages and `dvc repro` import. Only imports: nothing computes, opens a file
or starts a thread. What threads libraries have when they are imported (OpenBLAS, Arrow's allocator), they
end and start again around a fork themselves.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import select
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from dahlia.imports import quick_imports
from dahlia.warm.protocol import Request, changes, likeness, unlike, unlike_variable
from dahlia.warm.supervision import become, supervise

READY = b"ready\n"

_LIFELINE, _REPORT = 0, 1  # standard input, which ends with who started us, and output
_WAITING = 64  # clients, at most

VARIABLES = {  # as the command line and `dahlia.tracking.store` have them before they import
    "OMP_WAIT_POLICY": "PASSIVE",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime's thread for it would not survive a fork
}
OURS = """
    dahlia.stages dahlia.dataset dahlia.modeling dahlia.training dahlia.evaluation dahlia.tracking
    dahlia.reports dahlia.export.artifacts dahlia.export.formats dahlia.export.onnx dahlia.cli
"""
THEIRS = """
    PIL.BmpImagePlugin PIL.GifImagePlugin PIL.JpegImagePlugin PIL.WebPImagePlugin imagehash scipy.fftpack
    cleanvision.issue_managers.image_property_issue_manager
    pyarrow.parquet pyarrow.pandas_compat pyarrow.vendored.version
    jinja2 rich.progress rich.table rich._emoji_codes wcwidth tabulate
    torch torchvision timm lightning.pytorch safetensors.torch multiprocessing.popen_fork
    scipy.sparse.csgraph scipy.optimize scipy.special sklearn.metrics cleanlab.filter sympy.tensor.tensor
    torch.export._trace torch.export._patches torch._export.passes.replace_autocast_with_hop_pass
    torch._functorch.aot_autograd torch._functorch._aot_autograd.subclass_parametrization
    torch._inductor.sizevars torch._inductor.fx_passes.dedupe_symint_uses
    torch._subclasses.schema_check_mode torch.fx.experimental.validator torch.utils._runtime_estimation
    torch.onnx._internal.exporter._compat torch.onnx._internal.exporter._torchlib.ops
    onnxruntime onnxscript.function_libs.torch_lib.ops onnxscript._framework_apis.torch_2_11
    onnxscript.rewriter.onnx_fusions
    alembic.config sqlalchemy.dialects.sqlite mlflow.tracking
    mlflow.store.tracking.sqlalchemy_workspace_store mlflow.store.model_registry.sqlalchemy_workspace_store
    mlflow.store.db.trace_analytics_backfill_75868b020152
"""
DVCS = """
    dulwich.ignore dulwich.index dulwich.worktree scmrepo.git networkx ruamel.yaml ruamel.yaml.mergevalue
    platformdirs.unix configobj fsspec.implementations.memory
    dvc._debug dvc.analytics dvc.cachemgr dvc.cli.parser dvc.data_cloud dvc.dirs dvc.repo.artifacts
    dvc.repo.datasets dvc.repo.graph dvc.repo.index dvc.repo.metrics dvc.repo.open_repo dvc.repo.params
    dvc.repo.plots dvc.repo.stage dvc.repo.trie dvc.rwlock dvc.utils.strictyaml
    dvc_data.hashfile._progress dvc_data.hashfile.db.local dvc_data.hashfile.status
"""


def prepare() -> None:
    """Import it all. A module that another release of its library lacks is left to the commands."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    with quick_imports():
        for name in OURS.split():
            for part in _within(name):
                importlib.import_module(part)
        for name in f"{THEIRS} {DVCS}".split():
            _import_if_there(name)
        _close_dvc_output()


def _within(name: str) -> Iterator[str]:
    yield name
    package = importlib.import_module(name)
    for part in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{name}."):
        yield part.name


def _import_if_there(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return


def _close_dvc_output() -> None:
    # DVC is imported last: it puts something before the standard streams.
    import colorama  # type: ignore[import-untyped]

    colorama.deinit()


def serve(path: Path, prepare: Callable[[], None] = prepare) -> None:
    """Prepare, listen on `path`, and fork for every client until standard input ends.

    `READY` is written to standard output when clients are answered. There is no socket before: nobody waits
    for the imports. The folder of `path` is the socket's own, and is removed at the end.

    Args:
        path: of the socket.
        prepare: imports; what it does must survive a fork.
    """
    own, before = likeness(), dict(os.environ)
    prepare()
    after = dict(os.environ)
    os.close(os.pidfd_open(os.getpid()))  # an old kernel cannot; better now than when there is a command

    def objection(request: Request) -> str | None:
        return unlike(request.likeness, own) or unlike_variable(request.environment, before, after)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a supervision: none becomes a zombie
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(_WAITING)
        with suppress(BrokenPipeError):  # who started us is gone, as standard input says too
            os.write(_REPORT, READY)
        forked = _listen(listener, objection)
    if forked is None:
        shutil.rmtree(path.parent, ignore_errors=True)
    else:
        become(*forked, changes(before, after))


def _listen(
    listener: socket.socket, objection: Callable[[Request], str | None]
) -> tuple[Request, list[int]] | None:
    while _LIFELINE not in select.select([listener.fileno(), _LIFELINE], [], [])[0]:
        connection, _ = listener.accept()
        with connection:
            if _fork() == 0:
                listener.close()
                return supervise(connection, objection)
    return None


def _fork() -> int:
    try:
        return os.fork()
    except OSError as error:  # no memory, or too many processes
        print(f"A command is not forked. {error}", file=sys.stderr, flush=True)
        return -1
