"""Questions that the grader asks a kernel around each test cell; the text of this module is sent there.

It runs in the student's process, so it answers only and judges nothing: :mod:`execute` compares the
answers with those of a kernel that ran the course's own solution. It imports the standard library
and IPython only, and defines plain functions, because it is executed as text.
"""

import contextlib
import functools
import hashlib
import importlib
import json
import os
import sys
import types

from IPython import get_ipython

PACKAGE = "nnlabs.checks"
# What the checks compare with: the functions and classes of these modules, not their data.
MODULES = (
    "builtins",
    "copy",
    "inspect",
    "numpy",
    "numpy._core.fromnumeric",
    "numpy._core.numeric",
    "numpy.linalg",
    "numpy.testing",
    "numpy.testing._private.utils",
    "random",
    "warnings",
)
METHODS = ("run_cell", "run_cell_async", "run_code", "run_ast_nodes", "do_execute", "execute_request")
METHODS += ("showtraceback", "_showtraceback")
DEPTH = 6


def reply(request: dict) -> str:
    """Return :func:`answer` as JSON."""
    return json.dumps(answer(request))


def answer(request: dict) -> dict:
    """Return what the grader wants to know; put the lab's names and the environment right."""
    namespace = request["namespace"]
    found = {"renamed": [], "borrowed": [], "environment": [], "hooks": remove_hooks(request["hooks"])}
    if request["prints"] is not None:
        every = of_checks() | of_notebook(get_ipython())
        prints = {name: value for name, value in every.items() if name not in request["prints"]}
        found["digest"] = digest(sorted(prints.items()), 3)
        found["fingerprints"] = prints if request["full"] else {}
    right = {}
    for line in request["imports"]:
        try:
            exec(line, right)
        except Exception:  # an import that fails here failed in the notebook as well
            continue
    for name in request["names"]:
        if name in right:
            if namespace.get(name) is not right[name]:
                found["renamed"].append(name)
                namespace[name] = right[name]
        elif PACKAGE.replace(".", os.sep) in getattr(
            getattr(namespace.get(name), "__code__", None), "co_filename", ""
        ):
            found["borrowed"].append(name)
    for name, value in request["environment"].items():
        if os.environ.get(name) != value:
            found["environment"].append(name)
            os.environ[name] = value
    return found


def of_checks() -> dict:
    """Return name → hash of everything whose change would change a verdict."""
    found = {}
    for module_name in MODULES:  # also what is imported later, so that it is always the same set
        if module_name.split(".")[0] in sys.modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(module_name)
    for module_name in sorted(sys.modules):
        if module_name == PACKAGE or module_name.startswith(PACKAGE + ".") or module_name in MODULES:
            whole = module_name not in MODULES
            for name, value in list(vars(sys.modules[module_name]).items()):
                if (whole or callable(value)) and (
                    name[:2] != "__" or name in ("__import__", "__build_class__")
                ):
                    found[f"{module_name}.{name}"] = digest(value, DEPTH if whole else 2)
    return found


def of_notebook(shell: object) -> dict:
    """Return name → hash of what executes the cells."""
    found = {}
    for whose, thing in (("shell", shell), ("kernel", shell.kernel)):
        for name in METHODS:
            own = name in vars(thing)  # a method of this one object only
            found[f"the notebook's {whose}.{name}"] = digest((own, getattr(type(thing), name, None)), 4)
    found["the notebook's input transformers"] = digest(
        [describe(part) for part in (*shell.input_transformers_post, *shell.ast_transformers)], 1
    )
    found["the notebook's exception handlers"] = digest(
        [part.__name__ for part in shell.custom_exceptions], 1
    )
    found["sys.settrace"] = digest([describe(sys.gettrace()), describe(sys.getprofile())], 1)
    return found


def remove_hooks(known: list | None) -> list:
    """Unregister what would run before or after a test cell and is not ``known``; None removes nothing."""
    seen = []
    for hooks in get_ipython().events.callbacks.values():
        for hook in list(hooks):
            if known is None or describe(hook) not in known:
                seen.append(describe(hook))
                if known is not None:
                    hooks.remove(hook)
    return sorted(set(seen))


def describe(thing: object) -> str:
    """Return the module and the name of a function or method, or its type."""
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', type(thing).__name__)}"


def digest(value: object, depth: int) -> str:
    """Return a short hash of ``value``."""
    return hashlib.sha256(repr(plain(value, depth)).encode()).hexdigest()[:12]


def plain(value: object, depth: int) -> object:
    """Return ``value`` as nested tuples of texts that are the same in each process."""
    if depth <= 0:
        return type(value).__name__
    if isinstance(value, types.FunctionType):
        home = home_of(value)
        if depth < 3:  # of a library: cheaply
            own = (value.__code__.co_code, value.__code__.co_names, len(value.__code__.co_consts))
            wrapped = plain(value.__dict__.get("__wrapped__"), 1)
            return ("function", value.__qualname__, home, *own, wrapped)
        cells = []
        for cell in value.__closure__ or ():
            try:
                cells.append(plain(cell.cell_contents, depth - 2))
            except ValueError:  # an empty cell
                cells.append("")
        defaults = plain((value.__defaults__, value.__kwdefaults__), depth - 2)
        wrapped = plain(value.__dict__.get("__wrapped__"), depth - 2)
        return ("function", value.__qualname__, home, code(value.__code__), defaults, cells, wrapped)
    if isinstance(value, functools.partial):
        return ("partial", plain(value.func, depth - 1), plain((value.args, value.keywords), depth - 1))
    if isinstance(value, types.MethodType):
        return ("method", plain(value.__func__, depth - 1))
    if isinstance(value, types.ModuleType):
        return ("module", value.__name__, sys.modules.get(value.__name__) is value)
    if isinstance(value, type):
        if not value.__module__.startswith(PACKAGE) or depth < 3:
            return ("class", value.__module__, value.__qualname__)
        members = sorted(
            (name, plain(part, depth - 1))
            for name, part in vars(value).items()
            if name[:2] != "__" or callable(part)
        )
        parents = [(parent.__module__, parent.__qualname__) for parent in value.__mro__]
        return ("class", value.__qualname__, parents, members)
    if isinstance(value, (staticmethod, classmethod)):
        return (type(value).__name__, plain(value.__func__, depth - 1))
    if isinstance(value, property):
        return ("property", plain(value.fget, depth - 1))
    if isinstance(value, (str, int, float, complex, bool, bytes, type(None), type(Ellipsis))):
        return (type(value).__name__, repr(value)[:200])
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, [plain(part, depth - 1) for part in value])
    if isinstance(value, (set, frozenset)):
        return (type(value).__name__, sorted(repr(plain(part, depth - 1)) for part in value))
    if isinstance(value, dict):
        return ("dict", [(repr(key)[:100], plain(part, depth - 1)) for key, part in value.items()])
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if kind == "numpy.ndarray":
        return (kind, str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).hexdigest())
    if type(value).__module__.startswith(PACKAGE):
        return (kind, is_where_it_says(type(value)), plain(vars(value), depth - 1))
    implementation = getattr(value, "_implementation", None)  # of NumPy's dispatched functions
    return (
        kind,
        str(getattr(value, "__name__", "")),
        plain(implementation, depth - 1) if implementation else "",
    )


def home_of(function: types.FunctionType) -> tuple:
    """Return whose names the function uses: its own module's, or other ones under that name."""
    names = function.__globals__
    module = sys.modules.get(names.get("__name__"))
    return (str(names.get("__name__")), getattr(module, "__dict__", None) is names)


def is_where_it_says(kind: type) -> bool:
    """Tell whether the class is the one that its module has under its name."""
    place = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        place = getattr(place, name, None)
    return place is kind


def code(of: types.CodeType) -> tuple:
    """Return what a code object does, without where it is."""
    constants = [code(part) if isinstance(part, types.CodeType) else plain(part, 2) for part in of.co_consts]
    return (of.co_code, constants, of.co_names, of.co_varnames, of.co_freevars, of.co_cellvars, of.co_flags)
