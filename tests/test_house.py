"""The rules of the house: order of notebooks, cleanliness, export, sizes, dependencies, what may not be in the tree."""
import ast
import configparser
import filecmp
import json
import os
import re
import runpy
import shutil
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPO = Path(__file__).resolve().parents[1]
NBS = sorted(p for p in (REPO/"nbs").rglob("*.ipynb") if not any(o.startswith((".", "_")) for o in p.relative_to(REPO).parts))
NUMBERED = [p for p in NBS if re.match(r"\d{3}_", p.name)]
TRAINING = [p for p in NBS if p.parent.name == "training"]
GUIDE = REPO/"nbs"/"guide"
PAGES = [REPO/"README.md", REPO/"CONTRIBUTING.md", *sorted(GUIDE.glob("*.ipynb"))]
MODULES = sorted(p for p in (REPO/"wsss_nb").glob("*.py") if not p.name.startswith("_"))
DIRECTIVE = re.compile(r"^\s*#\s*\|\s*(\w+)(:?)(.*)$")
ISSUED = {"cv2": "opencv-contrib-python-headless", "PIL": "pillow", "skimage": "scikit-image", "pydensecrf": "pydensecrf2", "mpl_toolkits": "matplotlib"}

rel = lambda p: str(p.relative_to(REPO))
each = lambda paths: pytest.mark.parametrize("path", paths, ids=rel)


def cells(path, kind="code"):
    for c in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if c["cell_type"] == kind: yield c, "".join(c["source"])


def directives(source):
    "(word, colon, rest) of the `#|` lines at the top of a cell."
    for line in source.splitlines():
        if line.strip() and not line.lstrip().startswith("#"): return
        if m := DIRECTIVE.match(line): yield m.groups()


def code(source):
    "A cell without directives, magics and shell lines, so that it parses."
    if source.lstrip().startswith("%%"): return ""
    return "\n".join(o if not re.match(r"[%!?]", o) else "pass" for o in source.splitlines())


def is_exported(source): return any(w in ("export", "exporti", "exports") for w, *_ in directives(source))
def exported(path): return [s for _, s in cells(path) if is_exported(s)]
def module_of(path): return next((rest.strip() for _, s in cells(path) for w, _, rest in directives(s) if w == "default_exp"), None)
def number(path): return int(path.name[:3]) if path in NUMBERED else 1000
def is_import(node): return isinstance(node, (ast.Import, ast.ImportFrom))
def constant(node): return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def imported(tree, package="wsss_nb"):
    "Dotted names of all imports in a tree, those inside functions and by `import_module` as well; relative ones made absolute."
    for n in ast.walk(tree):
        if isinstance(n, ast.Import): yield from (a.name for a in n.names)
        elif isinstance(n, ast.ImportFrom):
            base = ".".join(o for o in (package if n.level else "", n.module or "") if o)
            yield from (f"{base}.{a.name}" for a in n.names)
        elif isinstance(n, ast.Call) and getattr(n.func, "attr", getattr(n.func, "id", "")) in ("import_module", "__import__") and n.args:
            yield constant(n.args[0])


def ours(path):
    "Modules of this package that a notebook imports."
    names = (o.split(".") for _, s in cells(path) for o in imported(ast.parse(code(s))))
    return {n[1] for n in names if n[0] == "wsss_nb" and len(n) > 1}


def copy_tree(to, *names):
    for n in names:
        src = REPO/n
        shutil.copytree(src, to/n, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")) if src.is_dir() else shutil.copy(src, to/n)


def nbdev(tool, cwd):
    exe = Path(sys.executable).parent/tool
    env = {**os.environ, "HOME": str(cwd)}  # nbdev signs notebooks in the home folder: not the user's
    r = subprocess.run([str(exe)], cwd=cwd, env=env, capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr


# ---- order and form of the notebooks

def test_numbers_are_unique():
    numbers = [p.name[:3] for p in NUMBERED]
    assert len(set(numbers)) == len(numbers), sorted(o for o in set(numbers) if numbers.count(o) > 1)
    order = [p.name for p in sorted(NUMBERED, key=rel)]
    assert order == sorted(order), "folders are not in the order of the numbers"
    training = [p.name.split("_")[0] for p in TRAINING]
    assert len(set(training)) == len(training)


@each(NBS)
def test_imports_only_lower_numbers(path):
    numbers = {module_of(p): number(p) for p in NUMBERED}
    for m in ours(path) & set(numbers):
        assert numbers[m] < number(path) or module_of(path) == m and path not in NUMBERED, f"{rel(path)} imports {m} (number {numbers[m]})"
    unknown = ours(path) - set(numbers) - {"__version__", "training"}
    assert not unknown, f"{rel(path)} imports {unknown}, which no numbered notebook exports"


def test_import_rule_sees_hidden_imports():
    tree = ast.parse("def f():\n  from wsss_nb import cli\n  from .runs import x\n  importlib.import_module('wsss_nb.show')")
    assert {"wsss_nb.cli", "wsss_nb.runs.x", "wsss_nb.show"} <= set(imported(tree))


def is_private(name): return name.startswith("_") and not name.startswith("__")


def private_names(trees):
    "What belongs to one module of ours and is used by another: imported by its name, or reached through its module."
    nodes, modules = [n for t in trees for n in ast.walk(t)], {p.stem for p in MODULES}
    yield from (o for t in trees for o in imported(t) if o.startswith("wsss_nb.") and is_private(o.split(".")[-1]))
    whole = set()
    for n in nodes:
        if isinstance(n, ast.Import): whole |= {a.asname or a.name for a in n.names if a.name.startswith("wsss_nb.")}
        elif isinstance(n, ast.ImportFrom) and (n.module == "wsss_nb" or n.level and not n.module):
            whole |= {a.asname or a.name for a in n.names if a.name in modules}
    yield from (f"{ast.unparse(n.value)}.{n.attr}" for n in nodes
                if isinstance(n, ast.Attribute) and is_private(n.attr) and ast.unparse(n.value) in whole)


@each(MODULES + NBS)
def test_private_names_stay_at_home(path):
    sources = [path.read_text(encoding="utf-8")] if path.suffix == ".py" else [code(s) for _, s in cells(path)]
    crossing = sorted(set(private_names([ast.parse(s) for s in sources])))
    assert not crossing, f"{rel(path)} uses {crossing}: make it public, with a docstring, or move it where it is used"


def test_the_rule_sees_every_way_to_a_private_name():
    ways = ["from .crf import _field", "from wsss_nb.crf import _field", "from wsss_nb import crf as c\nc._field()", "import wsss_nb.crf\nwsss_nb.crf._field",
            "def f():\n  from . import crf\n  return crf._field", "import wsss_nb.crf as c", "from wsss_nb import __version__\nimport numpy as crf\ncrf._field"]
    assert [len(list(private_names([ast.parse(w)]))) for w in ways] == [1, 1, 1, 1, 1, 0, 0]
    assert list(private_names([ast.parse("from wsss_nb import crf"), ast.parse("crf._field")])) == ["crf._field"]  # two cells


@each(NUMBERED)
def test_header(path):
    assert module_of(path) == path.stem[4:], f"{rel(path)} should export module {path.stem[4:]}"
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]
    assert first["cell_type"] == "markdown" and re.match(r"# .+\n+> .+", "".join(first["source"])), "first cell: `# title`, then `> summary`"


@each(NBS)
def test_directives(path):
    wrong = [f"#| {w}{c}{rest}" for _, s in cells(path) for w, c, rest in directives(s) if (w == "default_exp" and c) or (w == "eval" and not c)]
    assert not wrong, f"{wrong} fail silently: `default_exp` takes no colon, `eval` takes one"


@each(NUMBERED)
def test_imports_have_their_own_cell(path):
    for s in exported(path):
        body = ast.parse(code(s)).body
        assert len({is_import(n) for n in body}) <= 1, f"an exported cell of {rel(path)} mixes imports and code:\n{s}"


@each(NBS)
def test_no_widget_state(path):
    nb = json.loads(path.read_text(encoding="utf-8"))
    views = [o for c in nb["cells"] for o in c.get("outputs", []) if "application/vnd.jupyter.widget-view+json" in o.get("data", {})]
    assert not views and "widgets" not in nb["metadata"], f"{rel(path)} keeps widgets nobody can see without their kernel: clear the outputs of those cells"


@each(NBS)
def test_size_of_file(path): assert path.stat().st_size < 400_000, f"{rel(path)}: make its pictures smaller"


@each(TRAINING)
def test_training_notebook(path):
    nb = json.loads(path.read_text(encoding="utf-8"))
    assert len(nb["cells"]) <= 15
    tagged = ["".join(c["source"]) for c in nb["cells"] if "parameters" in c["metadata"].get("tags", [])]
    assert len(tagged) == 1, "one cell tagged `parameters`"
    assert all(isinstance(n, (ast.Assign, ast.AnnAssign)) for n in ast.parse(code(tagged[0])).body), "the parameters cell holds nothing but assignments"
    assert not exported(path)


# ---- sizes

def test_notebooks_are_laid_out():
    r = subprocess.run([sys.executable, ".ci/layout", "--check"], cwd=REPO, capture_output=True, text=True)
    assert r.returncode == 0, f"run `make layout`:\n{r.stdout}{r.stderr}"


@each(NBS)
def test_columns(path):
    "What a notebook's cell cuts off at the right nobody reads."
    wide = [o for _, s in cells(path) for o in s.splitlines() if len(o) > 120]
    assert not wide, wide


# What is still beyond a limit, by module. A list only ever gets shorter: `test_exceptions_are_needed`.
LONG = {}  # functions over 40 lines
MANY = {}  # public functions with over 8 parameters
LARGE = {
}  # modules over 400 lines of code
LONG_CELLS = {
}  # exported cells over 60 lines


def lines(source): return sum(1 for o in source.splitlines() if o.strip() and not o.lstrip().startswith("#"))


def length(f):
    "Lines of a function from its decorators to its end, the docstring left out."
    d = f.body[0] if ast.get_docstring(f) is not None else None
    return f.end_lineno - f.lineno + 1 - (d.end_lineno - d.lineno + 1 if d else 0)


def parameters(f):
    a = f.args
    given = [o for o in a.posonlyargs + a.args + a.kwonlyargs if o.arg not in ("self", "cls")]
    return len(given)


def functions(path):
    return [n for s in exported(path) for n in ast.walk(ast.parse(code(s))) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]


@each(NUMBERED)
def test_cell_sizes(path):
    sizes = [lines(s) for s in exported(path)]
    assert sizes, "exports nothing"
    assert max(sizes) <= LONG_CELLS.get(path.stem[4:], 60), f"an exported cell of {max(sizes)} lines"


@each(NUMBERED)
def test_function_sizes(path):
    long = {f.name: length(f) for f in functions(path) if length(f) > 40}
    assert set(long) <= LONG.get(path.stem[4:], set()), long


def test_functions_are_short():
    assert statistics.median(length(f) for p in NUMBERED for f in functions(p)) <= 10


@each(NUMBERED)
def test_parameters(path):
    many = {f.name: parameters(f) for f in functions(path) if parameters(f) > 8 and not f.name.startswith("_")}
    assert set(many) <= MANY.get(path.stem[4:], set()), f"{many}: what travels together is a frozen dataclass"


@each(MODULES)
def test_module_sizes(path):
    n = lines(path.read_text(encoding="utf-8"))
    assert n <= LARGE.get(path.stem, 400), f"{rel(path)} has {n} lines of code: make two of it"


def test_exceptions_are_needed():
    "A limit that a module keeps by now is taken off the lists."
    for name, n in LARGE.items():
        assert lines((REPO/"wsss_nb"/f"{name}.py").read_text(encoding="utf-8")) > max(400, .9*n), f"{name}: lower its number in LARGE"
    by_name = {p.stem[4:]: p for p in NUMBERED}
    for name, long in LONG.items():
        assert long == {f.name for f in functions(by_name[name]) if length(f) > 40}, f"LONG[{name!r}]"
    for name, many in MANY.items():
        assert many == {f.name for f in functions(by_name[name]) if parameters(f) > 8 and not f.name.startswith("_")}, f"MANY[{name!r}]"


def exports(tree):
    "Names in `__all__`, and the top-level definitions among them."
    names = next(([constant(e) for e in n.value.elts] for n in tree.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__"), [])
    return names, [n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name in names]


@each(MODULES)
def test_public_names(path):
    names, defs = exports(ast.parse(path.read_text(encoding="utf-8")))
    public = [o for o in names if not o.startswith("_") and not o.endswith("Error")]  # the family of errors is one thing
    assert len(public) <= 15, f"{rel(path)} exports {len(public)} names: {public}"
    bare = [d.name for d in defs if not d.name.startswith("_") and not ast.get_docstring(d)]
    assert not bare, f"{rel(path)}: no docstring on {bare}"


def stray_comments(source):
    "Comments alone on the last lines of a list of parameters: they stand below the parameter they are about, and document none."
    tree, rows = ast.parse(source), source.splitlines()
    for f in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        head = [o.strip() for o in rows[f.lineno-1:f.body[0].lineno-1]]
        yield from (f"{f.name}: {a}" for a, b in zip(head, head[1:]) if a.startswith("#") and b.startswith(")"))


@each(MODULES)
def test_comments_document_a_parameter(path):
    stray = list(stray_comments(path.read_text(encoding="utf-8")))
    assert not stray, f"{stray}: put each behind its parameter, or above it"


def test_the_rule_sees_a_stray_comment():
    assert list(stray_comments("def f(\n    a,\n    # what a is\n):\n    pass")) == ["f: # what a is"]
    assert not list(stray_comments("def f(\n    # what a is\n    a,  # so\n):  # what comes back\n    # why\n    pass"))


# ---- generated files

def test_notebooks_are_clean(tmp_path):
    copy_tree(tmp_path, "nbs", "settings.ini")
    nbdev("nbdev_clean", tmp_path)
    dirty = [rel(p) for p in NBS if not filecmp.cmp(p, tmp_path/p.relative_to(REPO), shallow=False)]
    assert not dirty, f"run `make clean-notebooks`: {dirty}"


def test_library_equals_export(tmp_path):
    copy_tree(tmp_path, "nbs", "settings.ini")
    (tmp_path/"wsss_nb").mkdir()
    shutil.copy(REPO/"wsss_nb/__init__.py", tmp_path/"wsss_nb")
    nbdev("nbdev_export", tmp_path)
    want, have = ({p.name: p.read_text(encoding="utf-8") for p in (r/"wsss_nb").glob("*.py")} for r in (tmp_path, REPO))
    assert set(want) == set(have), f"run `make export`: {set(want) ^ set(have)}"
    stale = [n for n in want if want[n] != have[n]]
    assert not stale, f"run `make export`, and never edit wsss_nb/*.py: {stale}"


# ---- dependencies and the tree

def config():
    c = configparser.ConfigParser(delimiters=["="], interpolation=None)
    c.read(REPO/"settings.ini", encoding="utf-8")
    return c["DEFAULT"]


def requirements(*keys): return {canon(r.name): r for k in keys for r in map(Requirement, config()[k].split())}
def canon(name): return re.sub(r"[-_.]+", "-", name).lower()


def pins():
    lines = (o.strip() for o in (REPO/"constraints.txt").read_text().splitlines())
    return {canon(n): v for n, v in (o.split("==") for o in lines if o and not o.startswith("#"))}


def test_pins_fit_the_ranges():
    for name, r in requirements("requirements", "dev_requirements").items():
        assert name in pins() and pins()[name] in r.specifier, f"{r} against {pins().get(name)}"


def test_version(): assert version("wsss_nb") == config()["version"], "run `make setup`"


TRAINS_MINI = {"dino.py", "t00_dino.ipynb"}  # the only places that may need lightly, and the module only inside functions: see CONTRIBUTING


FROM_TORCH = {"kernels.py": "triton"}  # comes with Torch's CUDA build, and is imported by nothing else: see CONTRIBUTING


EXTRAS = {"execute.py": ["slurm_requirements"], "apply.py": ["onnx_requirements"]}  # optional: imported inside functions, which say what to install


@each(MODULES + TRAINING)
def test_imports_are_required(path):
    trees = [ast.parse(s) for s in ([path.read_text(encoding="utf-8")] if path.suffix == ".py" else [code(s) for _, s in cells(path)])]
    names = {o.split(".")[0] for t in trees for o in imported(t)} - set(sys.stdlib_module_names) - {"wsss_nb", ""}
    if path.name in TRAINS_MINI:
        at_top = {o.split(".")[0] for t in trees for n in t.body if is_import(n) for o in imported(n)}
        assert path.suffix == ".ipynb" or "lightly" not in at_top, "the package must import without lightly"
        names.discard("lightly")
    names.discard(FROM_TORCH.get(path.name))
    missing = {n for n in names if canon(ISSUED.get(n, n)) not in requirements("requirements", *EXTRAS.get(path.name, ()))}
    assert not missing, f"{rel(path)} imports {missing}, which settings.ini does not require"


# Written so that this file does not find itself.
FORBIDDEN = [r"/wor[k]/", r"/roo[t]/", r"/hom[e]/\w", r"/Users[/]\w", r"/opt[/](pypi|wheels)", r"/tmp[/](pct|tools|design)", r"index[-_]ur[l]", r"find[-_]link[s]",
             r"trusted[-_]hos[t]", r"pypi\.or[g]", r"pythonhosted\.or[g]", r"download\.pytorch\.or[g]", r"artifactor[y]"]


def test_nothing_of_this_machine_in_the_tree():
    r = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True)
    if r.returncode: pytest.skip("not a git checkout")
    bad, found = re.compile("|".join(FORBIDDEN)), []
    for f in filter(None, r.stdout.split("\0")):
        try: text = (REPO/f).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError): continue
        if f.endswith(".ipynb"): text = re.sub(r'"image/\w+": "[^"]*"', "", text)
        found += [f"{f}: …{text[max(0, m.start()-30):m.end()+30]!r}" for m in bad.finditer(text)]
    assert not found, "\n".join(found[:20])


def test_readme_is_the_index():
    text, pictures = runpy.run_path(str(REPO/".ci"/"readme"))["readme"]()
    assert (REPO/"README.md").read_text(encoding="utf-8") == text, "README.md is not nbs/index.ipynb: run make readme"
    stale = [p for p, content in pictures.items() if not (REPO/p).exists() or (REPO/p).read_bytes() != content]
    assert pictures and not stale, f"{stale} are not what nbs/index.ipynb shows: run make readme"


def test_readme_is_short():
    "Everything counts, code and tables, too: what is longer belongs to a page of the guide."
    n = len((REPO/"README.md").read_text(encoding="utf-8").split())
    assert n <= 900, f"README.md has {n} words: move some to nbs/guide"


LINK = re.compile(r"\]\((?!#)([^)\s]+)\)")
HOST = "https://github.com/wsss-nb/wsss_nb/"


@each(PAGES)
def test_links_lead_somewhere(path):
    "Every link to a file of this tree, relative or by its address, is to one that is there."
    text = path.read_text(encoding="utf-8") if path.suffix == ".md" else "\n".join(s for _, s in cells(path, "markdown"))
    links = [link.split("#")[0] for link in LINK.findall(text)]
    ours = [REPO/re.sub(rf"^{HOST}(blob|tree)/main/", "", link) for link in links if link.startswith(HOST)]
    beside = [path.parent/link for link in links if ":" not in link]
    lost = [str(p) for p in ours + beside if not p.exists()]
    assert not lost, f"{rel(path)} links to {lost}"


def test_contributing_names_each_notebook():
    text = (REPO/"CONTRIBUTING.md").read_text(encoding="utf-8")
    first, last = "620_explore_tau", "655_explore_crf"  # the explorers between them are named together
    missing = [p.stem for p in NUMBERED if f"`{p.stem}`" not in text and not first < p.stem < last]
    assert not missing, f"CONTRIBUTING.md's map does not name {missing}"


def test_the_guide_names_each_of_its_pages():
    for index in (GUIDE/"index.ipynb", REPO/"nbs"/"index.ipynb"):
        text = index.read_text(encoding="utf-8")
        missing = [p.name for p in GUIDE.glob("*.ipynb") if p.name != "index.ipynb" and f"{p.name})" not in text]
        assert not missing, f"{rel(index)} does not name {missing}"


def test_no_figure_lies_idle():
    "A picture in figures/ that belongs to no figure's notebook is shown on a page."
    text = "".join(p.read_text(encoding="utf-8") for p in PAGES)
    idle = [p.name for p in (REPO/"figures").glob("readme_*") if f"figures/{p.name})" not in text]
    assert not idle, idle
