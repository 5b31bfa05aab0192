"""The command line. Every command imports what it needs when it is called."""

from __future__ import annotations

import copy
import importlib
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from dahlia import __version__
from dahlia.errors import ConfigError, DahliaError
from dahlia.inspect.command import inspect
from dahlia.kinds import TASKS, Task
from dahlia.predict.command import predict
from dahlia.server.commands import COMMANDS as SERVER_COMMANDS
from dahlia.terminal import SectionedCommands, message, print_table

STAGES = ("ingest", "validate", "split", "environment", "train", "evaluate", "export", "track")
INTERRUPTED = 130
_TASK = click.Choice(list(TASKS))


@click.group(cls=SectionedCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dahlia")
def cli() -> None:
    """Custom Vision that you own: tagged photos in, a published model out."""


@cli.command()
@click.argument("name", type=click.Choice(STAGES))
@click.argument("item", required=False)
def stage(name: str, item: str | None) -> None:
    """Run one stage of the pipeline, as `dvc repro` does.

    The stage `export` takes an ITEM, the format.
    """
    from dahlia.config import load_params
    from dahlia.imports import require_formats
    from dahlia.provenance import noted_time

    if (name == "export") != (item is not None):
        raise click.UsageError(
            "expected `stage export FORMAT`, such as `stage export onnx`."
            if name == "export"
            else f"the stage `{name}` takes nothing more, received `{item}`."
        )
    params = load_params()
    require_formats(params.export.formats)  # not only when all before the export is done
    with noted_time(Path(), name, item):
        importlib.import_module(f"dahlia.stages.{name}").run(params, Path(), *filter(None, [item]))


@cli.command()
@click.argument("overrides", nargs=-1)
@click.option("--multirun", "-m", is_flag=True, help="A trial of every combination, or what Optuna proposes.")
def trial(overrides: tuple[str, ...], multirun: bool) -> None:
    """Try other parameters, on the same photos and folds.

    OVERRIDES are such as domain.input.size=128. A trial is an MLflow run beside the iterations.
    """
    from dahlia.trials import run_trials, trials_table

    trials = run_trials(Path(), overrides, sweep=multirun)
    print_table(trials_table(trials))
    if len(trials) > 1:
        click.echo(
            "The best of several was chosen on the photos that judge it: expect a little less on new ones."
        )
    if trials[0].overrides and not trials[0].problem:
        click.echo(f"To keep it: dahlia params {shlex.join(trials[0].overrides)} && dvc repro")


@cli.command(hidden=True)  # a tool beside the core, see docs/training.md
@click.argument("overrides", nargs=-1)
def pretrain(overrides: tuple[str, ...]) -> None:
    """Train a backbone on your own corpus.

    conf/pretrain.yaml has the settings; OVERRIDES change them, such as corpus=photos.zip.
    """
    from dahlia.composition import compose_alone
    from dahlia_pretraining import PretrainingParams

    settings = compose_alone(Path(), "pretrain", PretrainingParams, overrides)
    from dahlia_pretraining.pretraining import pretrain as run

    written = run(settings, Path())
    click.echo(f"{written}: name it in `domain.backbone.weights`.")


@cli.command(hidden=True)  # like `pretrain`
@click.argument("overrides", nargs=-1)
def negatives(overrides: tuple[str, ...]) -> None:
    """Make a negative set of a corpus, for one backbone and input size.

    conf/negatives.yaml has the settings; OVERRIDES change them, such as corpus=photos.zip size=160.
    """
    from dahlia.composition import compose_alone
    from dahlia_pretraining import NegativesParams

    settings = compose_alone(Path(), "negatives", NegativesParams, overrides)
    from dahlia_pretraining.negative_features import make_negative_set

    click.echo(make_negative_set(settings, Path()))


@cli.command(hidden=True)  # like `pretrain`
@click.argument("overrides", nargs=-1)
def proposals(overrides: tuple[str, ...]) -> None:
    """Train what proposes regions, on scenes that are composed of a corpus.

    conf/proposals.yaml has the settings; OVERRIDES change them, such as corpus=photos.zip scenes=2000.
    """
    from dahlia.composition import compose_alone
    from dahlia_pretraining import ProposalsParams

    settings = compose_alone(Path(), "proposals", ProposalsParams, overrides)
    from dahlia_pretraining.proposals import make_proposals

    click.echo(make_proposals(settings, Path()))


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--task", type=_TASK, default="classification", show_default=True, help="What its models do.")
def init(directory: Path, task: Task) -> None:
    """Create an empty project in DIRECTORY."""
    from dahlia.project import STARTS, create_project

    create_project(directory, task)
    click.echo(
        f"{directory} is ready. {STARTS[task].photos.format(folder=directory)}, then:\n"
        f"  cd {directory} && dvc repro && dahlia publish 1 --as NAME"
    )


@cli.command()
@click.argument("overrides", nargs=-1)
@click.option("--check", is_flag=True, help="Only check whether params.yaml matches conf/.")
def params(overrides: tuple[str, ...], check: bool) -> None:
    """Write params.yaml from conf/.

    OVERRIDES are such as domain=food split.folds=10.
    """
    from dahlia.composition import compose, write_params
    from dahlia.config import read_yaml
    from dahlia.layout import PARAMS
    from dahlia.stages.environment import link_environment

    if check:
        if read_yaml(PARAMS) != compose(Path(), overrides):
            raise ConfigError("params.yaml is not the composition of conf/. Write it with `dahlia params`.")
        click.echo("params.yaml is the composition of conf/.")
        return
    composed = write_params(Path(), overrides)
    link_environment(Path(), composed.domain.backbone)
    click.echo(f"params.yaml: {composed.project.name}, {composed.domain.name}, {composed.training.recipe}")


@cli.command()
@click.option("--out", default="data/images", type=click.Path(path_type=Path), show_default=True)
@click.option(
    "--task", type=_TASK, help="A folder per tag, or scenes with regions.csv (default: for the project here)."
)
@click.option("--images-per-tag", default=60, type=click.IntRange(min=1), show_default=True)
@click.option(
    "--scenes", default=0, type=click.IntRange(min=0), help="Draw N scenes with bounding boxes instead."
)
@click.option("--seed", default=0, type=click.IntRange(min=0), show_default=True)
@click.option(
    "--size", default=512, type=click.IntRange(min=64), show_default=True, help="Usual longer edge, pixels."
)
def sample(out: Path, task: Task | None, images_per_tag: int, scenes: int, seed: int, size: int) -> None:
    """Generate sample photos: daisies, daffodils and dahlias."""
    from dahlia.project import STARTS, task_of
    from dahlia_samples import generate_garden, generate_scenes

    if out.exists() and any(out.iterdir()):
        click.echo(f"{out} has files already; they are left as they are.")
        return
    scenes = scenes or STARTS[task or task_of(Path())].scenes
    if scenes:
        generate_scenes(out, images=scenes, seed=seed, size=size)
    else:
        generate_garden(out, images_per_tag=images_per_tag, seed=seed, size=size)
    click.echo(f"{out}: {scenes or 3 * images_per_tag} photos")


@cli.command()
@click.option("--task", type=_TASK, help="If it is not that of the project here, a project is made for it.")
@click.pass_context
def demo(context: click.Context, task: Task | None) -> None:
    """Run the whole pipeline once, on sample photos.

    It generates the photos, trains, publishes the result, and asks for a prediction.
    """
    from dahlia.demo import demo_project, run_demo

    root = demo_project(Path(), task)
    context.invoke(sample, out=root / "data" / "images", task=task)
    run_demo(root)


@cli.command()
def domains() -> None:
    """List the domains of this project."""
    from dahlia.project import domains_table

    print_table(domains_table(Path()))


@cli.command()
def iterations() -> None:
    """List iterations and what is published."""
    from dahlia.serving.choice.remembered import said_of
    from dahlia.tracking.iteration import snapshot_folder
    from dahlia.tracking.tables import iterations_table

    registry = _registry()
    found = registry.iterations()
    print_table(iterations_table(found))
    for one in found:
        if one.published and (said := said_of(snapshot_folder(registry.root, one))):
            click.echo(f"Iteration {one.number}: {said}.")


@cli.command()
@click.argument("first", type=int)
@click.argument("second", type=int)
def compare(first: int, second: int) -> None:
    """Show the differences between two iterations."""
    from dahlia.tracking.tables import comparison_table

    print_table(comparison_table(_registry().compare(first, second), first, second))


@cli.command()
@click.argument("number", type=int, metavar="N")
@click.option("--as", "name", required=True, help="The publish name; moved if another iteration has it.")
def publish(number: int, name: str) -> None:
    """Publish iteration N under a name.

    To roll back, publish an older iteration under the same name.
    """
    from dahlia.tracking.tables import expected

    published = _registry().publish(number, name)
    click.echo(f"Iteration {published.number} is published as {name}.")
    if told := expected(published):
        click.echo(told)


@cli.command()
@click.argument("name")
def unpublish(name: str) -> None:
    """Stop serving a published name."""
    _registry().unpublish(name)
    click.echo(f"{name} is no longer published.")


@cli.command()
@click.argument("number", type=int, metavar="N")
@click.option(
    "--format",
    "families",
    required=True,
    multiple=True,
    help="onnx, coreml, tensorflow, litert, tfjs, openvino, docker, or all that the model's domain has.",
)
@click.option("--flavour", help="float16, int8, ... (default: the format's first).")
@click.option("--out", default="downloads", type=click.Path(path_type=Path), show_default=True)
def export(number: int, families: tuple[str, ...], flavour: str | None, out: Path) -> None:
    """Export iteration N as verified zip files.

    Each is opened and run on photos before it is written, and must answer what the trained model answers.
    """
    from dahlia.config import load_params
    from dahlia.export.downloads import write_downloads
    from dahlia.export.formats import ALL, chosen

    asked = {family: chosen(family, flavour) for family in families}
    possible = asked.pop(ALL, ())
    forms = tuple(form for family in asked.values() for form in family)
    registry = _registry()
    iteration = registry.get(number)
    write_downloads(forms, iteration, registry, load_params(), Path(), out, possible=possible)


@cli.command()
@click.option("--limit", type=click.IntRange(min=1), help="How many (default: 20; with --to all).")
@click.option("--since", type=click.DateTime(), metavar="DATE", help="For example 2026-11-01, local time.")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Copy the images to a new folder.")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    help="Where the service stores them (default: DAHLIA_PREDICTIONS, or .dahlia/predictions).",
)
def predictions(limit: int | None, since: Any, target: Path | None, folder: Path | None) -> None:
    """List stored predictions, or copy their images.

    With --to, the images are copied to be corrected and trained on: into a folder per predicted tag, or
    beside a table of the boxes that were found.
    """
    from dahlia.serving.stored import gathering
    from dahlia.settings.service import read_settings

    chosen = gathering.choose_predictions(
        folder or read_settings().predictions, since, limit if target else limit or 20
    )
    if target is None:
        print_table(gathering.predictions_table(list(chosen)))
        return
    written, missing = gathering.write_predictions(chosen, target)
    left_out = f"; {missing} skipped, deleted meanwhile or damaged" if missing else ""
    boxes = f", {gathering.BOXES}" if (target / gathering.BOXES).exists() else ""
    click.echo(f"{target}: {written} images{boxes} and {gathering.LIST}{left_out}")


@cli.command()
def report() -> None:
    """Show the last evaluation as a table."""
    from dahlia.evaluation.saved import load_saved, summary_of
    from dahlia.layout import EVALUATION

    print_table(summary_of(load_saved(EVALUATION)))


_former = copy.copy(trial)  # its name in scripts that were written before
_former.hidden = True
cli.add_command(_former, "train")
for _command in (inspect, predict, *SERVER_COMMANDS):
    cli.add_command(_command)


def _registry() -> Any:
    from dahlia.config import load_params
    from dahlia.tracking.registry import Registry

    return Registry.of(Path(), load_params())


def main() -> None:
    """Run the command line; errors that a user can cause are printed without a traceback."""
    # Threads that spin while they wait make small matrix work ten times slower on a busy machine. The
    # runtime reads this once, when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except DahliaError as error:
        click.secho(f"{type(error).__name__}: {message(str(error))}", fg="red", err=True)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.secho("Interrupted. What was finished is kept; run the same command again.", err=True)
        code = INTERRUPTED
    except MemoryError:
        click.secho(
            "Out of memory. Close other programs, or lower `training.batch_size`.", fg="red", err=True
        )
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
