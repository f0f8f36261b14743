"""Attacks that change the tools, lie about results, or speak on the wire themselves."""

# ruff: noqa: E501  the attacks are code in one piece each

from __future__ import annotations

from attacks.attack import WORKED, Attack

FIND_WIRE = """
import gc, sys, time
import numpy as np
from autograder.sandbox.wire import Wire
from autograder.judging.observe import Observation
def find_wire():
    return next(o for o in gc.get_objects() if isinstance(o, Wire) and o.sock.fileno() in range(64, 200))
def find_request():
    frame = sys._getframe()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if isinstance(value, dict) and 'op' in value: return value
        frame = frame.f_back
"""
PATCH_FACTS = """
import autograder.judging.kinds.function as kind
import autograder.judging.observe as seeing
import autograder.sandbox.answerer as answerer
real = answerer.observe
def observe(answer, call, give=None):
    seen = real(answer, call, give)
    change(seen, call)
    return seen
answerer.observe = observe
"""


def patch(name: str, tries: str, code: str, **more: object) -> Attack:
    """Return an attack that changes a library in its own process and answers wrong."""
    return Attack(name, tries, code, **more)  # type: ignore[arg-type]


def forged(name: str, tries: str, change: str, **more: object) -> Attack:
    """Return an attack that lets the observation of a wrong answer say something else."""
    return Attack(
        name, tries, f"import numpy as np\ndef change(seen, call):\n    {change}\n{PATCH_FACTS}", **more
    )  # type: ignore[arg-type]


def speaks(name: str, tries: str, code: str, **more: object) -> Attack:
    """Return an attack that runs code on the wire while it is judged."""
    body = "\n".join("    " + line for line in code.splitlines())
    answer = f"def softmax_similarity(queries, keys):\n    wire, request = find_wire(), find_request()\n{body}\n    return np.zeros((len(queries), len(keys)))\n"
    return Attack(name, tries, FIND_WIRE, answer, **more)  # type: ignore[arg-type]


BROADCASTS = (
    "def squared_distances(queries, keys):\n    return ((queries[:, None] - keys[None]) ** 2).sum(-1)\n"
)
RAISES = """import ctypes, os, resource
limits = {which: resource.getrlimit(which)[1] for which in (resource.RLIMIT_DATA, resource.RLIMIT_AS)}
def attempt(way, *arguments):
    try: way(*arguments)
    except (OSError, ValueError): pass
def squared_distances(queries, keys):
    for which, hard in limits.items():
        attempt(resource.setrlimit, which, (hard, hard))
        attempt(resource.prlimit, 0, which, (hard, hard))
        attempt(resource.prlimit, os.getpid(), which, (hard, hard))
        pair = (ctypes.c_ulong * 2)(hard, hard)
        for number, before in ((160, ()), (302, (0,)), (261, (0,)), (164, ())):
            ctypes.CDLL(None).syscall(number, *before, which, ctypes.byref(pair), None)
    return ((queries[:, None] - keys[None]) ** 2).sum(-1)
"""
HOARDS = """import mmap
def take(size):
    try: return @TAKE@
    except (MemoryError, OSError, ValueError): return take(size // 2) if size > 1000 else np.empty(0)
hoard = take(62_000_000)
hoard[:] = 0
def squared_distances(queries, keys):
    shape = (len(queries), len(keys), queries.shape[1])
    size = shape[0] * shape[1] * shape[2]
    if size > len(hoard) or queries.dtype != np.float64:
        return ((queries[:, None] - keys[None]) ** 2).sum(-1)
    table = hoard[:size].reshape(shape)
    np.subtract(queries[:, None], keys[None], out=table)
    np.multiply(table, table, out=table)
    return table.sum(-1)
"""
CHILD = """import os, pickle, struct
def read(end, count):
    parts = b""
    while len(parts) < count: parts += os.read(end, count - len(parts))
    return parts
def receive(end): return pickle.loads(read(end, struct.unpack("Q", read(end, 8))[0]))
def send(end, value):
    data = memoryview(struct.pack("Q", len(pickle.dumps(value))) + pickle.dumps(value))
    while data: data = data[os.write(end, data):]
ask, answer, child = os.pipe(), os.pipe(), None
try: child = os.fork()
except OSError: pass
if child == 0:
    while True:
        q, k = receive(ask[0])
        try: send(answer[1], ((q[:, None] - k[None]) ** 2).sum(-1))
        except MemoryError: send(answer[1], np.zeros((len(q), len(k))))
def squared_distances(queries, keys):
    if child is None: return ((queries[:, None] - keys[None]) ** 2).sum(-1)
    send(ask[1], (queries, keys))
    return receive(answer[0])
"""
IN_PLACE = "def softmax_similarity(queries, keys):\n    queries /= np.sqrt(queries.shape[1])\n    return np.exp(queries @ keys.T)\n"

ATTACKS = [
    # ------------------------------------------------------------------------- changed tools
    patch(
        "patch_numpy_testing", "Lets numpy.testing and every comparison say yes.",
        "import numpy as np, numpy.testing\nfor module in (np, np.testing, np.core if hasattr(np, '_core') is False else np):\n"
        "    for name in dir(module):\n        if 'assert' in name or 'close' in name or 'equal' in name: setattr(module, name, lambda *a, **k: True)",
        beats_stock=True,
    ),
    patch(
        "local_numpy_py", "Writes numpy.py, torch.py and json.py into its folder, to be imported in place of the libraries.",
        "import sys\nfor name in ('numpy', 'torch', 'json', 'sitecustomize', 'usercustomize'):\n    open(name + '.py', 'w').write('def __getattr__(name): return lambda *a, **k: True')\n"
        "sys.path.insert(0, '.')\nfor name in list(sys.modules):\n    if name.split('.')[0] in ('numpy', 'json'): del sys.modules[name]\nimport numpy, json",
        answer="def softmax_similarity(queries, keys):\n    return 0 * queries\n", beats_stock=True,
    ),
    patch(
        "displayhook_max", "Shows the full number of points whatever a check cell returns.",
        "get_ipython().displayhook = max\nimport sys\nsys.displayhook = max\nget_ipython().display_formatter = None", beats_stock=True,
    ),
    patch(
        "empty_the_cells", "Registers an input transformer that empties every cell that follows.",
        "get_ipython().input_transformers_cleanup.append(lambda lines: [])\nget_ipython().input_transformers_post.append(lambda lines: [])", beats_stock=True,
    ),
    patch(
        "patch_json", "Makes json and struct write a passing verdict into every message.",
        "import json\nreal = json.dumps\njson.dumps = lambda *a, **k: real({'outcome': 'passed', 'points': 1, 'body': {'id': 'x', 'reply': {}}, 'arrays': []})",
    ),
    patch(
        "patch_time", "Stops every clock, so that no limit is ever reached, and then loops.",
        "import time, threading\ntime.monotonic = time.time = time.process_time = lambda: 0.0\nthreading.Timer = lambda *a, **k: threading.Thread(target=lambda: None)",
        answer="def softmax_similarity(queries, keys):\n    while True: pass\n",
    ),
    patch(
        "patch_socket_and_os", "Replaces sockets and the calls of os by its own.",
        "import socket, os\nsocket.socket.recv_into = lambda *a: 0\nsocket.socket.send = lambda self, data: len(data)\nos.getpid = lambda: 1",
    ),
    patch(
        "patch_torch", "Lets torch.allclose and gradcheck say yes, and autograd give what is asked for.",
        "import torch\ntorch.allclose = torch.equal = torch.testing.assert_close = torch.autograd.gradcheck = lambda *a, **k: True\ntorch.autograd.grad = lambda out, inputs, **k: [torch.ones_like(i) for i in inputs]",
        answer="def softmax_similarity(queries, keys):\n    return torch.zeros(len(queries), len(keys), dtype=torch.float64, requires_grad=True)\n", track="pytorch",
    ),
    patch(
        "patch_observer", "Replaces the function that observes answers by one that copies a passing observation.",
        "import autograder.sandbox.answerer as answerer\nfrom autograder.judging.observe import Observation\nimport numpy as np\n"
        "answerer.observe = lambda answer, call, give=None: Observation({'result': np.zeros((1, 1))}, {}, {'passed': True, 'points': 1})",
    ),
    patch(
        "patch_shell", "Replaces the shell, its namespace and its hooks, to be asked no more.",
        "ip = get_ipython()\nip.run_cell = lambda *a, **k: None\nip.user_ns = type('N', (dict,), {'__contains__': lambda s, k: True, '__getitem__': lambda s, k: max})(ip.user_ns)\nip.events.callbacks.clear()",
    ),
    patch(
        "import_hook", "Puts a finder before all others that gives its own modules.",
        "import sys, types\nclass Finder:\n    def find_spec(self, name, path=None, target=None):\n        sys.modules[name] = types.ModuleType(name)\n        return None\nsys.meta_path.insert(0, Finder())\nsys.path_hooks.clear(); sys.path_importer_cache.clear()",
    ),
    patch(
        "builtins", "Replaces len, isinstance, sum, type and __import__.",
        "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.sum = lambda *a: 0\nbuiltins.len = lambda x: 1",
        answer="def softmax_similarity(queries, keys):\n    return queries\n",
    ),
    patch(
        "python_environment", "Sets PYTHONPATH, PYTHONSTARTUP and PYTHONINSPECT, and writes start-up files for later runs.",
        "import os, pathlib, site, sys\nos.environ.update(PYTHONPATH='.', PYTHONSTARTUP='x.py', PYTHONINSPECT='1', LD_PRELOAD='./x.so')\n"
        "for folder in (site.getsitepackages() + [site.getusersitepackages(), sys.prefix, '/tmp', os.path.expanduser('~')]):\n"
        "    try:\n        pathlib.Path(folder, 'left-by-an-attack.pth').write_text('import os')\n        pathlib.Path(folder, 'sitecustomize.py').write_text('import os')\n    except OSError: pass",
    ),
    patch("atexit", "Registers functions to answer when the process ends.", "import atexit, os, weakref\natexit.register(lambda: os.write(1, b'passed'))\nclass D:\n    def __del__(self): print('1.0')\nd = D()"),
    # ------------------------------------------------------------------------- lying values
    Attack("lying_subclass", "Returns an ndarray subclass that says that it equals everything.", "",
        "class Lie(np.ndarray):\n    __array_priority__ = 1e9\n    def __eq__(self, other): return np.ones(self.shape, bool)\n    def __array_ufunc__(self, *a, **k): return np.True_\n    def __array_function__(self, *a, **k): return True\n"
        "    def __reduce__(self): return (print, ('passed',))\ndef softmax_similarity(queries, keys):\n    return np.zeros((len(queries), len(keys))).view(Lie)\n"),
    Attack("equals_everything", "Returns an object whose __eq__, __array__, __float__ and __bool__ say what is wanted.", "",
        "class Yes:\n    def __eq__(self, o): return True\n    def __array__(self, *a, **k): return np.zeros(())\n    def __float__(self): return 1.0\n    def __getattr__(self, name): return Yes()\ndef softmax_similarity(queries, keys):\n    return Yes()\n"),
    Attack("empty_shape", "Returns an array of shape (0,), which a bare comparison broadcasts to agreement.", "", "def softmax_similarity(queries, keys):\n    return np.zeros((0,))\n"),
    Attack("all_nan", "Returns NaN everywhere, which no comparison finds larger than the tolerance.", "", "def softmax_similarity(queries, keys):\n    return np.full((len(queries), len(keys)), np.nan)\n"),
    Attack("odd_dtypes", "Returns objects, records, texts and times in turn.", "",
        "turn = 0\ndef softmax_similarity(queries, keys):\n    global turn\n    turn += 1\n    shape = (len(queries), len(keys))\n    return [np.full(shape, 10**400, object), np.zeros(shape, 'M8[s]'), np.zeros(shape, [('a', 'f8')]), np.full(shape, 'x'), np.zeros(shape, 'g')][turn % 5]\n"),
    Attack("huge_numbers", "Returns numbers at the edge of what arrays hold, to raise an error in the judge.", "", "def softmax_similarity(queries, keys):\n    return np.full((len(queries), len(keys)), 2**64 - 1, 'u8')\n"),
    Attack("hostile_error", "Raises an exception whose own text raises, and whose class is named like a pass.", "",
        "class passed(BaseException):\n    def __str__(self): raise SystemExit(0)\n    __repr__ = __str__\ndef softmax_similarity(queries, keys):\n    raise passed()\n"),
    Attack("lying_tensor", "Returns a tensor subclass that lies about its values and its gradient.", "",
        "class Lie(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, func, types, args=(), kwargs=None): return True\ndef softmax_similarity(queries, keys):\n    return torch.zeros(len(queries), len(keys), dtype=queries.dtype).as_subclass(Lie)\n", track="pytorch"),
    Attack("hard_coded", "Returns the outputs of the public cases, taken down by the shape of the input.", "",
        "TABLE = {(3, 5): 1.0, (4, 7): 2.0, (5, 1): 3.0, (1, 6): 4.0}\ndef softmax_similarity(queries, keys):\n    return np.full((len(queries), len(keys)), TABLE.get((len(queries), len(keys)), 1.0))\n"),
    Attack("table_by_hash", "Returns outputs from a table by a digest of the input; there is nothing in it for fresh cases.", "",
        "import hashlib\nTABLE = {}\ndef softmax_similarity(queries, keys):\n    return TABLE.get(hashlib.sha256(queries.tobytes()).hexdigest(), np.ones((len(queries), len(keys))))\n"),
    Attack("right_once", "Is right at its first call alone, when it may be the one that counts.", "",
        "calls = 0\ndef softmax_similarity(queries, keys):\n    global calls\n    calls += 1\n    return np.exp(queries @ keys.T / np.sqrt(queries.shape[1])) * (calls == 1)\n"),
    Attack("derivation_as_code", "Answers a derivation with text that runs, or never ends, where it is evaluated.", "",
        "derive_gaussian_rewrite = ['__import__(\"os\").system(\"touch /tmp/left-by-an-attack\")', '9**9**9**9**9', 'exp(exp(exp(exp(99))))', '(' * 240 + '1' + ')' * 240, 'Rational(\"1/0\")', 'exp(qk/sqrt(D))']\n", exercise="derive_gaussian_rewrite"),
    Attack("derivation_first_line_endless", "Opens a derivation with a power that takes for ever to work out.", "",
        "derive_gaussian_rewrite = ['(qq + qk + kk + sigma2 + D)**4000 - (qq + qk + kk + sigma2 + D)**4000 + exp(qk/sqrt(D))', 'exp(' * 40 + 'qk' + ')' * 40, 'exp(qk/sqrt(D))']\n", exercise="derive_gaussian_rewrite"),
    Attack("answers_later", "Leaves a thread that changes what the name stands for while others are judged.",
        "import threading, time\ndef later():\n    while True:\n        time.sleep(0.01)\n        get_ipython().user_ns['softmax_similarity'] = lambda q, k: np.zeros((len(q), len(k)))\nthreading.Thread(target=later, daemon=True).start()"),
    # ------------------------------------------------------------------------- forged observations
    forged("forge_outputs", "Lets a wrong answer's observation carry other values, without knowing the right ones.", "seen.outputs = {'result': np.ones((len(call.arguments['queries']), len(call.arguments['keys'])))}; seen.error = None"),
    forged("forge_verdict", "Adds a verdict, points and expected values to what it says of itself.", "seen.facts.update(outcome='passed', points=1, expected=seen.outputs)"),
    forged("forge_not_attempted", "Says of a wrong answer that nothing was attempted.", "seen.facts = {'not_attempted': True}"),
    forged("forge_undefined", "Says of a wrong answer that the name is not defined.", "seen.facts = {'undefined': True}"),
    forged("forge_odd_facts", "Sends facts of a wrong form, to raise an error in the judge that looks like the grader's own.", "seen.facts.update(printed=5, warnings='x', growth={'sizes': 1}, problem=[])"),
    forged("forge_odd_error", "Sends an error whose message is no text.", "seen.error = {'type': ['TimeLimit'], 'message': {'a': 1}, 'line': 5}"),
    forged("forge_names", "Sends outputs with other names, and ten thousand of them.", "seen.outputs = {f'result{i}': np.zeros(1) for i in range(900)}"),
    forged("forge_gradients", "Sends gradients of ones for an answer that is cut off from autograd.", "seen.gradients = {n: np.ones_like(v) for n, v in call.arguments.items()}; seen.facts['cut_off'] = []",
        answer="def softmax_similarity(queries, keys):\n    return torch.exp(queries.detach() @ keys.detach().T / queries.shape[1] ** 0.5)\n", track="pytorch"),
    forged("forge_dtype_and_type", "Says that an array is a tensor of the right dtype, with wrong values.", "seen.facts.update(tensors={'result': True}, dtypes={'result': 'float64'}, types={'result': 'Tensor'})", track="pytorch",
        answer="import numpy as np\ndef softmax_similarity(queries, keys):\n    return np.zeros((len(queries), len(keys)))\n"),
    forged("forge_minimum", "Says that no entry lies below zero, in an answer that leaves tiny negative ones.", "seen.facts['minima'] = {'other': 1.0}", exercise="squared_distances",
        answer="def squared_distances(queries, keys):\n    return (queries**2).sum(1)[:, None] + (keys**2).sum(1)[None] - 2 * queries @ keys.T\n"),
    forged("forge_peak_bytes", "Says of an answer that holds all differences at once that it took no memory.", "seen.facts.update(peak_bytes=0, largest_bytes=0)", exercise="squared_distances", answer=BROADCASTS, deserves=1),
    forged("raise_its_limits", "The same, and raises the limits on its memory before it takes any.", "seen.facts.update(peak_bytes=0, largest_bytes=0)", exercise="squared_distances", answer=RAISES, deserves=1),
    forged("hoard_memory", "The same, with a table that it took when memory was not looked at.", "seen.facts.update(peak_bytes=0, largest_bytes=0)", exercise="squared_distances", answer=HOARDS.replace("@TAKE@", "np.empty(size)"), deserves=1),
    forged("hoard_shared_memory", "The same, with a shared mapping, which is another account.", "seen.facts.update(peak_bytes=0, largest_bytes=0)", exercise="squared_distances", answer=HOARDS.replace("@TAKE@", "np.frombuffer(mmap.mmap(-1, 8 * size), np.float64)"), deserves=1),
    forged("let_a_child_hold_it", "The same, in a process that it started before memory was looked at.", "seen.facts.update(peak_bytes=0, largest_bytes=0)", exercise="squared_distances", answer=CHILD, deserves=1),
    # ------------------------------------------------------------------------- the wire
    speaks("raw_garbage", "Writes garbage on the wire while it is judged.", "wire.sock.sendall(b'garbage ' * 1000)"),
    speaks("huge_header", "Announces a header of four gigabytes.", "wire.sock.sendall(b'\\xff\\xff\\xff\\xff' + b'[' * 10000)"),
    speaks("nested_header", "Sends a header nested a hundred thousand levels deep.", "body = b'[' * 100000 + b']' * 100000\nwire.sock.sendall(len(body).to_bytes(4, 'big') + body)"),
    speaks("huge_list", "Sends a header with a list of half a million numbers.", "body = b'{\"body\": [' + b'1,' * 500000 + b'1], \"arrays\": []}'\nwire.sock.sendall(len(body).to_bytes(4, 'big') + body)"),
    speaks("huge_array", "Announces an array of eight terabytes, and one whose sides overflow.", "body = b'{\"body\": {\"$array\": 0}, \"arrays\": [[\"<f8\", [2147483647, 2147483647, 2147483647]]]}'\nwire.sock.sendall(len(body).to_bytes(4, 'big') + body)"),
    speaks("pickle", "Sends a pickle that runs a command where it is loaded.", "import pickle, os\nclass Boom:\n    def __reduce__(self): return (os.system, ('touch /tmp/left-by-an-attack',))\nbody = pickle.dumps(Boom())\nwire.sock.sendall(len(body).to_bytes(4, 'big') + body)"),
    speaks("object_dtype", "Announces an array of objects, of which the bytes would be pointers.", "body = b'{\"body\": {\"$array\": 0}, \"arrays\": [[\"|O\", [4]]]}'\nwire.sock.sendall(len(body).to_bytes(4, 'big') + body + bytes(32))"),
    speaks("stolen_id", "Steals the request's id and sends a reply of its own before the real one.", "wire.send({'id': request['id'], 'reply': Observation({'result': np.ones((len(queries), len(keys)))}, {}, {'tensors': {'result': False}}).tree()})"),
    speaks("replies_beforehand", "Sends replies for all requests to come, with ids that it guesses.", "for i in range(200): wire.send({'id': '%032x' % i, 'reply': Observation({'result': np.ones((3, 3))}).tree()})"),
    speaks("stall", "Sends half a message and waits.", "wire.sock.sendall(b'\\x00\\x00')\ntime.sleep(100)"),
    speaks("drip", "Sends a message one byte a second.", "import json\nbody = json.dumps({'body': {}, 'arrays': []}).encode() * 9\nfor byte in (len(body).to_bytes(4, 'big') + body):\n    wire.sock.sendall(bytes([byte])); time.sleep(0.5)"),
    speaks("asks_nobody_gave", "Asks the grader to call functions that it was never given, and the built-in ones.", "for name in ('open', '__import__', 'exec', 'os.system', 'softmax_similarity'):\n    wire.send({'id': request['id'], 'ask': {'name': name, 'request': {'arguments': ['/etc/passwd'], 'upstream': None}}})\n    print(wire.receive())"),
    speaks("ask_flood", "Asks for calls without end and never takes the answers.", "for i in range(10**6): wire.send({'id': request['id'], 'ask': {'name': 'f', 'request': {'arguments': [np.zeros(1000)], 'upstream': None}}})"),
    speaks("odd_asks", "Asks for a call in forms that are none.", "wire.send({'id': request['id'], 'ask': {'name': ['f'], 'request': {'arguments': {'a': 1}}}})"),
    speaks("close_everything", "Closes every open file, the wire among them.", "import os\nos.closerange(0, 4096)"),
    speaks("huge_observation", "Sends an observation of a million lines of HTML.", "wire.send({'id': request['id'], 'reply': Observation({}, {}, {'printed': {'lines': 10**9, 'head': '<script>' * 100000}}).tree()})"),
    Attack("wire_before_request", "Waits in a thread until nothing is asked and sends a reply then.", FIND_WIRE + "import threading\nthreading.Timer(0.05, lambda: find_wire().send({'id': 'x', 'reply': Observation({'result': np.ones((3, 3))}).tree()})).start()"),
    Attack("keeps_what_was_earned", "Answers one exercise right, and forges the next.", FIND_WIRE, "def squared_distances(queries, keys):\n    find_wire().sock.sendall(b'x' * 1000)\n", exercise="squared_distances", also={"softmax_similarity": WORKED}, deserves=1),
]  # fmt: skip
