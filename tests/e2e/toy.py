"A method of three small notebooks that need neither torch nor a dataset's pictures: what sweeps do with stages can be seen in seconds. Also run as a program, to be killed."
import ast
import json
import sys
from dataclasses import replace
from pathlib import Path

import wsss_nb.parameters as parameters
import wsss_nb.plan as plan
import wsss_nb.results as results
import wsss_nb.sweeps as sweeps
from wsss_nb.tables import as_text

PARAMETERS = {
    "x1_shared": ["superpixels = ''", "features = 'rgb'", "features_weights = ''", "scale = 1.0"],
    "x2_work": ["seed = 0", "alpha = 0.5", "trick = 'none'", "victim = 0.9"],
    "x3_score": ["seed = 0", "alpha = 0.5"]}
WORK = {
    "x1_shared": "value, makes = scale, 'shared'",
    "x2_work": """if alpha == victim:
    if trick == 'raise': raise ValueError('no seed above it')
    if trick == 'exit': import sys; sys.exit(0)
    if trick == 'kill': import os; os.kill(os.getpid(), 9)
    if trick == 'hang': time.sleep(10**6)
    if trick == 'fill':
        with open(out/'ballast', 'wb') as f:
            while True: f.write(bytes(10**6))
value, makes = json.loads((out/'shared'/'value.json').read_text())['value'] + alpha/10 + seed/100, 'work'""",
    "x3_score": "value, makes = json.loads((out/'work'/'value.json').read_text())['value'], 'score'"}
END = """for n in range(3):
    (out/makes).mkdir(exist_ok=True); (out/makes/f'part{n}.txt').write_text(str(n)); time.sleep(.1)
(out/makes/'value.json').write_text(json.dumps(dict(value=value)))
if makes == 'score': (out/'metrics.json').write_text(json.dumps(dict(segmenter=dict(plain=dict(miou=value), crf=dict(miou=value+.01)))))"""
METHOD = {"x1_shared": dict(makes="shared", shared=True), "x2_work": dict(makes="work", needs=("x1_shared",)), "x3_score": dict(makes="score", also=("metrics.json",), needs=("x2_work",))}
DATA = "scenes:train=4,val=2"


def install(folder):
    "Write the notebooks, and make `toy` a method of this process."
    folder = Path(folder); folder.mkdir(parents=True, exist_ok=True)
    for name, own in PARAMETERS.items():
        cells = [("parameters", "data = 'scenes'\nout = '.'\n" + "\n".join(own)), ("", "import json, time\nfrom pathlib import Path\nout = Path(out)"), ("", WORK[name]), ("", END)]
        nb = dict(nbformat=4, nbformat_minor=5, metadata=dict(kernelspec=dict(display_name="python3", language="python", name="python3")), cells=[
            dict(cell_type="code", id=f"c{i}", metadata=dict(tags=[t] if t else []), execution_count=None, outputs=[], source=s.splitlines(True)) for i, (t, s) in enumerate(cells)])
        (folder/f"{name}.ipynb").write_text(json.dumps(nb))
    parameters.METHODS["toy"] = METHOD
    for name, own in PARAMETERS.items():
        for word, value in (o.split(" = ") for o in own):
            if word == "seed": continue
            known = parameters.PARAMETERS.get(word) or parameters.Parameter(word, None, word)
            default = {m: known.of("default", m) for m in parameters.METHODS} | dict(toy=ast.literal_eval(value))
            parameters.PARAMETERS[word] = replace(known, default=default, stages=(*known.stages, name[:2]))
    plan.training_folder = sweeps.training_folder = lambda: folder


def lend(folder, monkeypatch):
    "The toy method, for one test."
    for module in (plan, sweeps): monkeypatch.setattr(module, "training_folder", module.training_folder)
    monkeypatch.setitem(parameters.METHODS, "toy", None)
    for word in {o.split(" = ")[0] for own in PARAMETERS.values() for o in own} - {"seed"}:
        monkeypatch.setitem(parameters.PARAMETERS, word, parameters.PARAMETERS.get(word))
    plan.notebook_parameters.cache_clear()
    install(folder)


def sweep(folder, grid, **how):
    planned, names = sweeps.plan_sweep("toy", DATA, folder, grid)
    return sweeps.execute(planned, names, **how)


def table(folder): return as_text(results.sweep_table(folder)) + results.write_csv(folder).read_text()


if __name__ == "__main__":
    notebooks, out, grid, how = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
    install(notebooks)
    try: sweep(out, grid, **how)
    except KeyboardInterrupt: sys.exit(130)
