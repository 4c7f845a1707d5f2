"""What the leak tests share: one piece of code, again and again in a script of its own."""

from __future__ import annotations

import textwrap

import support


def check(impl, script, code, count):
    """Run a script with the code where it has KIND, and the count where it has COUNT."""
    body = textwrap.indent(textwrap.dedent(code).strip(), '    ')
    script = script.replace('COUNT', str(count)).replace('    KIND', body)
    support.run_script(impl, script, options=('-W', 'ignore'))
