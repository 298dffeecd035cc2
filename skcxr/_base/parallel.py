"""Fits side by side, by joblib: how many threads each may use, and which device.

Worker processes of joblib's loky, of dask and of ray find their share of the cores in their
environment. Threads, and the forks of joblib's multiprocessing, do not: one of several fits there
has one thread, unless its number of siblings is known (:func:`split_threads`).
"""

import multiprocessing
import sys
import threading
from contextlib import contextmanager, nullcontext

import torch
from joblib import effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend

_this_fit = threading.local()
_lock = threading.Lock()
_n_going_on = 0
_threads_before = None
_n_repeatable = 0
_deterministic_before = None


def choose_return_as(return_as):
    """`return_as` for joblib.Parallel, or "list" where the active backend can do nothing else."""
    backend, _ = get_active_backend()
    return return_as if backend.supports_return_generator else "list"


def split_threads(n_jobs, n_fits):
    """The threads of this process, divided among fits that run in it at once.

    Parameters
    ----------
    n_jobs : int or None
        As joblib.Parallel takes it.
    n_fits : int
        Fits in all.

    Returns
    -------
    n_jobs : int or None
        For joblib.Parallel: as given, or, in a worker, no more than it has threads. In a task of
        dask, None is 1: what a task hands out to the cluster is lost with the worker that holds it,
        and scikit-learn would score that fold as NaN.
    n_threads : int or None
        For each fit; None if they go to other processes, whose environment decides.
    """
    backend, _ = get_active_backend()
    if n_jobs is None and _in_dask_task():
        return 1, torch.get_num_threads()
    if not _runs_here(backend):
        return n_jobs, None
    n_threads = _threads_here()
    n_at_once = max(1, min(effective_n_jobs(n_jobs), n_fits))
    if _in_worker(backend):
        n_at_once = min(n_at_once, n_threads)
    return n_at_once, max(1, n_threads // n_at_once)


def share_gpu(device, n_fits):
    """joblib's configuration in which fits on a GPU go side by side in threads, a stream each.

    One small network leaves most of a large GPU idle. It is a context that changes nothing where
    `device` is no GPU, or where a configuration of the caller's asks for several workers already.

    Parameters
    ----------
    device : str, torch.device or None
        The parameter of the estimator that is to be fitted.
    n_fits : int
        Fits in all.
    """
    on_gpu = torch.cuda.is_available() and str(device).startswith(("auto", "cuda"))
    if not on_gpu or effective_n_jobs(None) > 1:
        return nullcontext()
    return parallel_config(backend="threading", n_jobs=max(1, n_fits))


@contextmanager
def limit_threads(n_threads=None, position=0):
    """PyTorch's threads, and the position among its siblings, of the fit in this block.

    A block within another one changes nothing: the outer fit's share is all there is.

    Parameters
    ----------
    n_threads : int or None, default=None
        From :func:`split_threads`; None is what one fit may use here.
    position : int, default=0
        Among fits in threads of this process.
    """
    global _n_going_on, _threads_before
    if hasattr(_this_fit, "position"):
        yield
        return
    n_threads = n_threads or _threads_here()
    with _lock:
        # Asked for even where it is not needed: a new thread that was told a number first would
        # then take the process' number instead.
        found = torch.get_num_threads()
        # set_num_threads is for this thread and for all that start later: what the first of
        # several fits finds is put back by each.
        _threads_before = _threads_before if _n_going_on else found
        _n_going_on += 1
        torch.set_num_threads(n_threads)
    _this_fit.position = position
    try:
        yield
    finally:
        del _this_fit.position
        with _lock:
            _n_going_on -= 1
            torch.set_num_threads(_threads_before)


@contextmanager
def use_repeatable_convolutions(device):
    """On CUDA, let cuDNN take only algorithms that give the same bits in each run.

    The switch belongs to the whole process: of several fits, the first one sets it and the last one
    puts back what the first has found.

    Parameters
    ----------
    device : torch.device
    """
    global _n_repeatable, _deterministic_before
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    with _lock:
        if _n_repeatable == 0:
            _deterministic_before = cudnn.deterministic
            cudnn.deterministic = True
        _n_repeatable += 1
    try:
        yield
    finally:
        with _lock:
            _n_repeatable -= 1
            if _n_repeatable == 0:
                cudnn.deterministic = _deterministic_before


def get_worker_number():
    """Number, from 0, of the worker that this is: a process of joblib or dask, or a thread."""
    identity = multiprocessing.current_process()._identity
    return (identity[-1] - 1 if identity else 0) + getattr(_this_fit, "position", 0)


def resolve_device(device):
    """The torch.device that a parameter ``device`` stands for: "auto" is CUDA where there is one.

    Where there are several GPUs, the workers of joblib or dask each take one, in turn.

    Raises
    ------
    ValueError
        If PyTorch does not know the device, or can not reach it here.
    """
    if device == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", get_worker_number() % torch.cuda.device_count())
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device={device!r} can not be used here: {str(error).splitlines()[0]} "
            "Pass device='auto' or 'cpu'."
        ) from error


def _threads_here():
    """Threads that one fit may use here."""
    backend, _ = get_active_backend()
    is_loky = multiprocessing.current_process().name.startswith("LokyProcess")
    has_its_share = is_loky and threading.current_thread() is threading.main_thread()
    if hasattr(_this_fit, "position") or has_its_share or not _in_worker(backend):
        return torch.get_num_threads()
    return 1


def _in_worker(backend):
    """Whether this is a task of joblib's own workers: what they start runs in threads, or in turn.

    dask's tasks start others on the whole cluster.
    """
    return _runs_here(backend) and (backend.nesting_level or 0) > 0


def _in_dask_task():
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def _runs_here(backend):
    """Whether tasks stay in this process."""
    return getattr(backend, "supports_sharedmem", False)
