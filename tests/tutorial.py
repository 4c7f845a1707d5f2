"""docs/tutorial as programs with the output that it promises; how both are read and compared.

The notation, as docs/tutorial/README.md tells it to readers:

    ```python                           a complete program; what it prints follows
    ```python (3.12 and newer)          ... for these versions only
    ```python httpx aiofiles            ... that needs these modules; `processes`: a process pool
    ```text                             what it prints to stdout
    ```text (3.11 to 3.13)              ... on these versions
    ```text stderr                      what it prints to stderr; a line `...` stands for any lines

Run as a program, it writes the output of the running interpreter into the blocks of a page:
python tests/tutorial.py docs/tutorial/01-coroutines.md
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import subprocess
import sys
import tempfile

import support

FOLDER = support.ROOT / 'docs' / 'tutorial'
DRIVER = support.TESTS / 'tutorial_driver.py'
WAYS = ['stock', 'policy', 'factory', 'namespace', 'accelerated']

FENCE = re.compile(r'^```(python|text)([^\n`]*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
VERSIONS = re.compile(r'\((3\.\d+)(?: (?:and (newer|older)|to (3\.\d+)))?\)')
NEWEST = (3, 1000)
OLDEST = (3, 0)


@dataclasses.dataclass
class Block:
    """A fenced block: a program, or the output of one."""

    kind: str  # 'python' or 'text'
    words: list[str]  # modules that it needs, or ['stderr']
    oldest: tuple[int, int]
    newest: tuple[int, int]
    text: str
    span: tuple[int, int]  # of the text, in the page

    def applies(self, version=sys.version_info[:2]) -> bool:
        return self.oldest <= version <= self.newest


@dataclasses.dataclass
class Program:
    """A program of a page, with the output promised for it."""

    name: str
    block: Block
    outputs: list[Block]

    def promised(self, stream: str) -> str | None:
        """What the page says that the running version prints; '' where it shows nothing."""
        words = ['stderr'] if stream == 'stderr' else []
        found = [o for o in self.outputs if o.words == words]
        texts = [o.text for o in found if o.applies()]
        assert len(texts) <= 1, f'{self.name}: several blocks of {stream} for this version'
        assert texts or not found, f'{self.name}: no block of {stream} for this version'
        return texts[0] if texts else ''


def number(text: str) -> tuple[int, int]:
    major, minor = text.split('.')
    return int(major), int(minor)


def blocks_of(page: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(page):
        kind, info, text = match.groups()
        oldest, newest = OLDEST, NEWEST
        if versions := VERSIONS.search(info):
            first, side, last = versions.groups()
            oldest = OLDEST if side == 'older' else number(first)
            newest = NEWEST if side == 'newer' else number(last or first)
            info = info.replace(versions[0], '')
        found.append(Block(kind, info.split(), oldest, newest, text, match.span(3)))
    return found


def programs_of(path: pathlib.Path) -> list[Program]:
    programs: list[Program] = []
    for block in blocks_of(path.read_text()):
        if block.kind == 'python':
            programs.append(Program(f'{path.stem}-{len(programs) + 1}', block, []))
        else:
            assert programs, f'{path.name}: output before the first program'
            assert set(block.words) <= {'stderr'}, f'{path.name}: text {block.words}'
            programs[-1].outputs.append(block)
    return programs


def all_programs() -> list[Program]:
    paths = sorted(FOLDER.glob('[0-9]*.md'))
    return [program for path in paths for program in programs_of(path)]


# ------------------------------------------------------------------ what may differ

VARYING = [
    # Where an object lies in memory.
    (re.compile(r'\b0x[0-9a-fA-F]+'), '0x...'),
    # Which process it was.
    (re.compile(r'\bpid([ =])\d+'), r'pid\1...'),
    # How long something took.
    (re.compile(r'\b(took|duration|delay) \d+\.\d+'), r'\1 ...'),
    # What the clock of the loop said.
    (re.compile(r'\bwhen=\d+\.\d+'), 'when=...'),
]
FRAME = re.compile(r'(?P<margin>(?: *\| )?)  File "(?P<path>[^"]+)", line \d+')
TRACEBACK = re.compile(r'(?: *[|+] )?(?:Exception Group )?\w[\w ]*\(most recent call last\):$')
CARETS = re.compile(r'(?: *\| )?[ ~^]+\n?$')


def normal(text: str, folder: str) -> str:
    """Output without what varies from run to run, and without the frames of libraries.

    docs/compatibility.md says why the interpreter's frames differ: what is Python there is C here.
    A traceback that has no frame of the program is left out, with its first line.
    """
    kept: list[str] = []
    header = None  # a traceback's first line, until a frame of the program's comes
    dropping = None  # the margin of a frame that is left out
    for line in text.splitlines(keepends=True):
        if frame := FRAME.match(line):
            dropping = None if frame['path'].startswith(folder) else frame['margin'] + '    '
        elif dropping is not None and not line.startswith(dropping):
            dropping = None
        if dropping is not None:
            continue
        if header is not None:
            if frame:
                kept.append(header)
            header = None
        if TRACEBACK.match(line):
            header = line
        else:
            kept.append(line)
    text = ''.join(kept).replace(folder + '/', '')
    for pattern, replacement in VARYING:
        text = pattern.sub(replacement, text)
    return text


def without_carets(text: str) -> str:
    """A traceback without the lines that underline code: each version draws them differently."""
    return ''.join(line for line in text.splitlines(keepends=True) if not CARETS.match(line))


def keeps_promise(text: str, promise: str) -> bool:
    """Whether text is as promised, where a line `...` promises any lines."""
    parts = re.split(r'^\.\.\.\n', without_carets(promise), flags=re.MULTILINE)
    pattern = '(?:.*\n)*?'.join(map(re.escape, parts))
    return re.fullmatch(pattern, without_carets(text)) is not None


# ------------------------------------------------------------------ running


@dataclasses.dataclass
class Result:
    """What a program printed and how it ended."""

    stdout: str
    stderr: str
    status: str


def in_namespace(source: str) -> str:
    """The program with pyasync in place of asyncio."""
    source = re.sub(r'^( *)import asyncio$', r'\1import pyasync as asyncio', source, flags=re.M)
    return re.sub(r'^( *)from asyncio import', r'\1from pyasync import', source, flags=re.M)


class Runs:
    """Runs of programs in one way, in a process of their own."""

    def __init__(self, way: str, programs: list[Program], folder: pathlib.Path):
        if way != 'stock':
            support.implementation('pyasync')  # script_environment() then says where it is
        self.folders = {program.name: folder / program.name for program in programs}
        for program in programs:
            source = program.block.text
            home = self.folders[program.name]
            home.mkdir(parents=True)
            text = in_namespace(source) if way == 'namespace' else source
            (home / 'program.py').write_text(text)
        env = support.script_environment()
        for name in ('PYTHONWARNINGS', 'PYTHONASYNCIODEBUG', 'PYTHONDEVMODE', 'FORCE_COLOR'):
            env.pop(name, None)
        command = [sys.executable, DRIVER, way, *self.folders.values()]
        self.process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def wait(self) -> None:
        out, _ = self.process.communicate()
        assert (self.process.returncode, out) == (0, ''), out

    def result(self, name: str) -> Result:
        home = self.folders[name]
        out, err = (normal((home / s).read_text(), str(home)) for s in ('stdout', 'stderr'))
        return Result(out, err, (home / 'status').read_text())


def write_outputs(path: pathlib.Path) -> None:
    """Put the running interpreter's output into the page, but for blocks with a line `...`."""
    page = path.read_text()
    programs = [program for program in programs_of(path) if program.block.applies()]
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs('stock', programs, pathlib.Path(folder))
        runs.wait()
        results = {program.name: runs.result(program.name) for program in programs}
    changes = []
    for program in programs:
        end = program.block.span[1] + len('```\n')
        for stream, info in (('stderr', ' stderr'), ('stdout', '')):  # added last, shown first
            text = without_carets(getattr(results[program.name], stream))
            found = [o for o in program.outputs if o.words == info.split()]
            if not found and text:
                changes.append(((end, end), f'\n```text{info}\n{text}```\n'))
            changes += [(o.span, text) for o in found if o.applies() and '...\n' not in o.text]
    for (start, end), text in sorted(changes, key=lambda change: change[0], reverse=True):
        page = page[:start] + text + page[end:]
    path.write_text(page)


if __name__ == '__main__':
    for name in sys.argv[1:]:
        write_outputs(pathlib.Path(name))
