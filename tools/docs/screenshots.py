"""Screenshots of TensorBoard's tabs for the guide, from a run and a study, by headless Chromium.

    lossforge train recipes/retinanet.py --loss "box=SmoothL1() + 0.5*GIoU()" --histograms 2
    lossforge search recipes/digits.py --set noise=0.4 --trials 20
    python tools/docs/screenshots.py --run runs/retinanet-... --study studies/digits-... docs/images

With a run of an embedding (recipes/triplet.py) the projector has points: --points RUN.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import click
from PIL import Image

# name of the picture -> address of the tab, width, height
PLAIN = "_smoothingWeight=0&_ignoreYOutliers=false"
RUN_TABS = {
    "scalars": (f"#scalars&{PLAIN}&tagFilter=epoch_%28loss%7CAP50%7Clearning%29", 1100, 760),
    "custom_scalars": (f"#custom_scalars&{PLAIN}", 1100, 1150),
    "images": ("#images", 1000, 520),
    "pr_curves": ("#pr_curves", 1000, 620),
}
STUDY_TABS = {"hparams": ("#hparams", 1580, 900)}
POINTS_TABS = {"projector": ("#projector", 1200, 760)}
COLOURS = 64


def shoot(url: str, file: Path, width: int, height: int, milliseconds: int = 30_000) -> None:
    """One screenshot of a page, as a PNG of few colours."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise click.ClickException("chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "page.png"
        command = [
            program, "--headless", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
            f"--user-data-dir={scratch}/profile", f"--screenshot={raw}",
            f"--window-size={width},{height}", f"--virtual-time-budget={milliseconds}", url,
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        picture = Image.open(raw).convert("RGB")
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def shoot_all(logs: Path, tabs: dict[str, tuple[str, int, int]], output: Path) -> None:
    from lossforge.cli.tensorboard import launch, log_directory

    address = launch(log_directory(logs), "localhost", 0)
    for name, (tab, width, height) in tabs.items():
        file = output / f"tensorboard_{name}.png"
        shoot(address + tab, file, width, height)
        click.echo(f"{file}: {file.stat().st_size / 1000:.0f} kB")


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), help="Of a detector.")
@click.option("--study", type=click.Path(path_type=Path), help="Directory of a study.")
@click.option("--points", type=click.Path(path_type=Path), help="A run whose task has points.")
def main(output, run, study, points) -> None:
    """Write screenshots into OUTPUT."""
    if run:
        shoot_all(run, RUN_TABS, output)
    if study:
        from lossforge.monitor.study_board import board_of

        board = board_of(study)
        board.update()
        shoot_all(board.path, STUDY_TABS, output)
    if points:
        shoot_all(points, POINTS_TABS, output)


if __name__ == "__main__":
    main()
