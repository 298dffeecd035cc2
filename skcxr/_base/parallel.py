"""Fits that run side by side under joblib: threads per fit, and the device of each.

Worker processes of joblib's loky, of dask and of ray find their share of the cores in their
environment. Threads and the forks of joblib's multiprocessing do not: one of several fits there
gets one thread, unless the number of its siblings is known (:func:`split_threads`).
"""

import multiprocessing
import os
import sys
import threading
from contextlib import contextmanager, nullcontext

import torch
from joblib import effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend

_this_fit = threading.local()
_lock = threading.Lock()
# A forked process has this module from its parent, and with it the parent's number.
_PROCESS_OF_IMPORT = os.getpid()


def choose_return_as(return_as):
    """Return `return_as` for joblib.Parallel, or "list" if the active backend supports no other."""
    backend, _ = get_active_backend()
    return return_as if backend.supports_return_generator else "list"


def split_threads(n_jobs, n_fits):
    """Divide the threads of this process among fits that run in it at once.

    Parameters
    ----------
    n_jobs : int or None
        Number of jobs, as joblib.Parallel takes it.
    n_fits : int
        Number of fits in all.

    Returns
    -------
    n_jobs : int or None
        Number of jobs for joblib.Parallel: as given or, in a worker, no more than it has threads.
        In a task of dask, None is 1: what a task hands out to the cluster is lost with the worker
        that holds it, and scikit-learn would score that fold as NaN.
    n_threads : int or None
        Number of threads per fit. None leaves it to the environment of other processes.
    """
    backend, _ = get_active_backend()
    if n_jobs is None and _is_dask_task():
        return 1, torch.get_num_threads()
    if not _runs_in_this_process(backend):
        return n_jobs, None
    n_threads = _count_threads()
    n_at_once = max(1, min(effective_n_jobs(n_jobs), n_fits))
    if _is_worker(backend):
        n_at_once = min(n_at_once, n_threads)
    return n_at_once, max(1, n_threads // n_at_once)


def share_gpu(device, n_fits):
    """Return a joblib configuration in which fits on a GPU run side by side, in threads.

    One small network leaves most of a large GPU idle. The configuration changes nothing if `device`
    is not a GPU, or if the caller's own configuration asks for several workers.

    Parameters
    ----------
    device : str, torch.device or None
        Device parameter of the estimator that is fitted.
    n_fits : int
        Number of fits in all.
    """
    on_gpu = torch.cuda.is_available() and str(device).startswith(("auto", "cuda"))
    if not on_gpu or effective_n_jobs(None) > 1:
        return nullcontext()
    return parallel_config(backend="threading", n_jobs=max(1, n_fits))


class _ProcessSetting:
    """Setting of the whole process that fits change while they run.

    The first of several fits at once remembers the value that it found. The last one restores it;
    of a setting that each thread has a copy of, every fit does.

    Parameters
    ----------
    read, write : callable
        Functions that return the value and that set it.
    per_thread : bool
        Whether each thread has a copy of the setting.
    """

    def __init__(self, read, write, *, per_thread):
        self.read = read
        self.write = write
        self.per_thread = per_thread
        self.n_holders = 0
        self.found = None

    @contextmanager
    def hold(self, value):
        """Set the setting to `value` in the block."""
        with _lock:
            # Every fit reads it: a new thread that sets PyTorch's number of threads first would
            # take the process's number later.
            found = self.read()
            if self.n_holders == 0:
                self.found = found
            self.n_holders += 1
            self.write(value)
        try:
            yield
        finally:
            with _lock:
                self.n_holders -= 1
                if self.per_thread or self.n_holders == 0:
                    self.write(self.found)


def _read_deterministic():
    return torch.backends.cudnn.deterministic


def _write_deterministic(value):
    torch.backends.cudnn.deterministic = value


_NUM_THREADS = _ProcessSetting(torch.get_num_threads, torch.set_num_threads, per_thread=True)
_DETERMINISTIC = _ProcessSetting(_read_deterministic, _write_deterministic, per_thread=False)


@contextmanager
def limit_threads(n_threads=None, position=0):
    """Set PyTorch's number of threads, and this fit's position among its siblings, in the block.

    A block within another one changes nothing: it shares the threads of the outer fit.

    Parameters
    ----------
    n_threads : int or None, default=None
        Number of threads from :func:`split_threads`. None takes what one fit may use here.
    position : int, default=0
        Position among fits in threads of this process.
    """
    if hasattr(_this_fit, "position"):
        yield
        return
    with _NUM_THREADS.hold(n_threads or _count_threads()):
        _this_fit.position = position
        try:
            yield
        finally:
            del _this_fit.position


def use_repeatable_convolutions(device):
    """Let cuDNN use only algorithms that give the same bits in each run, in the block, on CUDA.

    Parameters
    ----------
    device : torch.device
        Device of the convolutions.
    """
    return _DETERMINISTIC.hold(True) if device.type == "cuda" else nullcontext()


def get_worker_number():
    """Return the number, from 0, of this worker: a process of joblib or dask, or a thread."""
    # multiprocessing has no public way to ask for it.
    identity = multiprocessing.current_process()._identity
    number_of_process = identity[-1] - 1 if identity else 0
    return number_of_process + getattr(_this_fit, "position", 0)


def resolve_device(device):
    """Return the torch.device that a parameter ``device`` stands for; "auto" is CUDA if available.

    With several GPUs, the workers of joblib or dask take them in turn.

    Raises
    ------
    ValueError
        If PyTorch does not know the device, or cannot reach it.
    """
    if device == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", get_worker_number() % torch.cuda.device_count())
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device={device!r} cannot be used here: {str(error).splitlines()[0]} "
            "Pass device='auto' or 'cpu'."
        ) from error


def _count_threads():
    """Return the number of threads that one fit may use here."""
    backend, _ = get_active_backend()
    # The environment of a new process has set its share; a forked one has its parent's threads.
    is_new_process = os.getpid() == _PROCESS_OF_IMPORT
    has_own_share = is_new_process and threading.current_thread() is threading.main_thread()
    if hasattr(_this_fit, "position") or has_own_share or not _is_worker(backend):
        return torch.get_num_threads()
    return 1


def _is_worker(backend):
    """Return whether this is a task of joblib's workers, whose own tasks run in this process.

    Tasks of dask start others on the whole cluster.
    """
    return _runs_in_this_process(backend) and (backend.nesting_level or 0) > 0


def _is_dask_task():
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def _runs_in_this_process(backend):
    return getattr(backend, "supports_sharedmem", False)
