"""Package wsss_nb. Everything that may change lives in settings.ini; this file only turns it into a wheel."""
import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).resolve().parent
config = ConfigParser(delimiters=["="], interpolation=None)
config.read(here/"settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
name = cfg["lib_name"]


class BuildWithNotebooks(build_py):
    "Also put nbs/training, nbs/explorers and nbs/figures into the package, so that an installed wheel can run a method, open the explorers and draw the figures."

    def notebooks(self):
        return {} if self.editable_mode else {
            nb: Path(self.build_lib)/name/to/nb.name
            for folder, to in (("training", "training"), ("explorers", "explorers"), ("figures", "figure_notebooks"))  # `figures` is a module
            for nb in sorted((here/cfg["nbs_path"]/folder).glob("[!_.]*.ipynb"))}

    def run(self):
        super().run()
        for nb, target in self.notebooks().items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(nb, target)

    def get_outputs(self, include_bytecode=True):
        return super().get_outputs(include_bytecode) + [str(o) for o in self.notebooks().values()]


readme = here/"README.md"


def description():
    "The README; its pictures by address, since a registry shows it without the tree."
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    return text.replace("](figures/", f"]({cfg['git_url']}/raw/{cfg['branch']}/figures/")


setup(
    name=name, version=cfg["version"], description=cfg["description"], keywords=cfg["keywords"].split(),
    long_description=description(), long_description_content_type="text/markdown",
    author=cfg["author"], author_email=cfg["author_email"], url=cfg["git_url"], license="Apache-2.0", license_files=["LICENSE"],
    packages=find_packages(include=[name, f"{name}.*"]), package_data={name: ["data/**/*", "static/**/*"]},
    python_requires=f">={cfg['min_python']}", install_requires=cfg["requirements"].split(),
    extras_require={n: cfg[f"{n}_requirements"].split() for n in ("dev", "slurm", "onnx")}, entry_points={"console_scripts": cfg["console_scripts"].split()},
    classifiers=["Development Status :: 3 - Alpha", "Intended Audience :: Science/Research", "Programming Language :: Python :: 3 :: Only",
                 f"Programming Language :: Python :: {cfg['min_python']}", "Topic :: Scientific/Engineering :: Image Recognition"],
    zip_safe=False, cmdclass={"build_py": BuildWithNotebooks},
)
