"""Files that are small or large and make a careless reader crash, hang or eat all memory."""

from __future__ import annotations

from typing import Callable, Dict, Union

HEAD = "version: 1\nname: bomb\n"
STEP = "steps: {a: {run: echo a}}\n"


def step(inner: str) -> str:
    return HEAD + "steps:\n  a:\n" + inner


def expression(text: str) -> str:
    return step(f"    run: echo ${{{{ {text} }}}}\n")


def laughs() -> str:
    lines = ["x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    return "\n".join(lines) + "\n" + HEAD + STEP


def merges() -> str:
    lines = ["x-0: &m0 {k0: 1}"]
    lines += [f"x-{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}], k{n}: 1}}" for n in range(1, 40)]
    return "\n".join(lines) + "\n" + HEAD + f"params: {{<<: *m39}}\n{STEP}"


def long_merge() -> str:
    keys = ", ".join(f"k{n}: {n}" for n in range(20_000))
    return f"x-a: &a {{{keys}}}\n" + "".join(f"x-{n}: {{<<: *a}}\n" for n in range(40)) + HEAD + STEP


def matrix(axes: int, values: int) -> str:
    inner = "".join(f"      a{n}: [{', '.join(map(str, range(values)))}]\n" for n in range(axes))
    return step("    run: echo a\n    matrix:\n" + inner)


def nested_params(depth: int, closing: str = "") -> str:
    return HEAD + "params: " + "{a: " * depth + "1" + "}" * depth + closing + "\n" + STEP


TEXTS: Dict[str, Callable[[], Union[str, bytes]]] = {
    # nesting
    "brackets": lambda: "[" * 100_000,
    "braces": lambda: "{a: " * 50_000,
    "closed brackets": lambda: HEAD + "params: {a: " + "[" * 50_000 + "]" * 50_000 + "}\n" + STEP,
    "dashes": lambda: "- " * 100_000 + "a",
    "question marks": lambda: "? " * 100_000,
    "block maps": lambda: "\n".join(" " * n + "a:" for n in range(1500)),
    "deep params": lambda: nested_params(90),
    "too deep params": lambda: nested_params(5000),
    # aliases and merges
    "laughs": laughs,
    "merges": merges,
    "long merge": long_merge,
    "alias of itself": lambda: "x-a: &a [*a]\n" + HEAD + STEP,
    "merge of itself": lambda: "x-a: &a {<<: *a}\n" + HEAD + STEP,
    "anchors": lambda: "".join(f"x-{n}: &a{n} 1\n" for n in range(60_000)) + HEAD + STEP,
    "one anchor again and again": lambda: "x-a: [" + "&a 1, *a, " * 40_000 + "]\n" + HEAD + STEP,
    # numbers
    "huge integer": lambda: HEAD + "params: {a: " + "9" * 1_000_000 + "}\n" + STEP,
    "huge hexadecimal": lambda: HEAD + "params: {a: 0x" + "f" * 1_000_000 + "}\n" + STEP,
    "huge exponent": lambda: HEAD + "params: {a: 1e999999999}\n" + STEP,
    "sexagesimal": lambda: HEAD + "params: {a: " + "1:" * 100_000 + "1}\n" + STEP,
    "underscores": lambda: HEAD + "params: {a: 1" + "_" * 1_000_000 + "}\n" + STEP,
    "huge duration": lambda: step("    run: echo a\n    timeout: " + "9" * 5000 + "d\n"),
    "huge size": lambda: step("    run: echo a\n    resources: {memory: " + "9" * 5000 + "GiB}\n"),
    "huge version": lambda: "version: " + "1" * 5000 + "\nname: a\n" + STEP,
    # many
    "a million keys": lambda: HEAD + "params:\n" + "".join(f" k{n}: 0\n" for n in range(300_000)),
    "a million unknown keys": lambda: HEAD + STEP + "".join(f"k{n}: 0\n" for n in range(90_000)),
    "many unknown keys in steps": lambda: step("    run: a\n" + "".join(f"    runn{n}: 0\n" for n in range(60_000))),
    "many duplicate keys": lambda: HEAD + "".join("a: 0\n" for n in range(60_000)) + STEP,
    "many steps": lambda: HEAD + "steps:\n" + "".join(f"  s{n}: {{run: echo {n}}}\n" for n in range(20_000)),
    "many needs": lambda: HEAD + "steps:\n  s0: {run: echo}\n" + "".join(
        f"  s{n}: {{run: echo, needs: [{', '.join(f's{m}' for m in range(n))}]}}\n" for n in range(1, 400)),
    "many cycles": lambda: HEAD + "steps:\n" + "".join(
        f"  s{n}: {{run: echo, needs: [{', '.join(f's{m}' for m in range(60))}]}}\n" for n in range(60)),
    "long cycle": lambda: HEAD + "steps:\n" + "".join(
        f"  s{n}: {{run: echo, needs: [s{(n + 1) % 3000}]}}\n" for n in range(3000)),
    "long chain": lambda: HEAD + "steps:\n  s0: {run: echo}\n" + "".join(
        f"  s{n}: {{run: echo, needs: [s{n - 1}]}}\n" for n in range(1, 5000)),
    "many outputs": lambda: step("    run: echo\n    outputs:\n" + "".join(f"      o{n}: out/{n}\n" for n in range(30_000))),
    "long matrix": lambda: step("    run: echo a\n    matrix: {a: '${{ range(1000000) }}'}\n"),
    "wide matrix": lambda: matrix(12, 12),
    "matrix of excludes": lambda: step("    run: echo a\n    matrix:\n      a: '${{ range(20000) }}'\n      exclude: ["
                                       + ", ".join(f"{{a: {n}}}" for n in range(20_000)) + "]\n"),
    "crossed ranges": lambda: step("    run: echo a\n    matrix: {a: '${{ range(1000000) }}', b: '${{ range(1000000) }}'}\n"),
    # texts
    "one long line": lambda: HEAD + "description: " + "a" * 3_900_000 + "\n" + STEP,
    "long key": lambda: HEAD + "a" * 100_000 + ": 1\n" + STEP,
    "long plain key": lambda: "a" * 3_000_000,
    "long name": lambda: "version: 1\nname: " + "a" * 1_000_000 + "\n" + STEP,
    "long step id": lambda: HEAD + "steps: {" + "a" * 100_000 + ": {run: echo}}\n",
    "five megabytes": lambda: "#" * 5_000_000,
    "blank lines": lambda: "\n" * 3_900_000,
    "comments": lambda: "# a\n" * 900_000 + HEAD + STEP,
    "spaces": lambda: " " * 3_900_000,
    "quotes": lambda: HEAD + 'description: "' + "\\x41" * 900_000 + '"\n' + STEP,
    "unclosed quote": lambda: HEAD + 'description: "' + "a\n " * 900_000,
    "folded": lambda: HEAD + "description: >\n" + "  a\n\n" * 600_000 + STEP,
    "tags": lambda: HEAD + "params: {a: !!python/object/apply:os.system ['touch pwned']}\n" + STEP,
    "long tag": lambda: HEAD + "params: {a: !" + "a" * 1_000_000 + " 1}\n" + STEP,
    "long anchor": lambda: HEAD + "params: {a: &" + "a" * 1_000_000 + " 1}\n" + STEP,
    "directives": lambda: "%TAG ! tag:evil,2000:\n" * 10_000 + "---\n" + HEAD + STEP,
    "documents": lambda: "---\n" * 500_000,
    # bytes
    "nothing": lambda: b"",
    "nul": lambda: (HEAD + STEP).encode() + b"\0",
    "all nul": lambda: bytes(1_000_000),
    "bom": lambda: b"\xef\xbb\xbf" + (HEAD + STEP).encode(),
    "two boms": lambda: b"\xef\xbb\xbf\xef\xbb\xbf" + (HEAD + STEP).encode(),
    "utf-16": lambda: (HEAD + STEP).encode("utf-16"),
    "utf-32": lambda: (HEAD + STEP).encode("utf-32"),
    "latin-1": lambda: (HEAD + "description: caf\xe9\n" + STEP).encode("latin-1"),
    "surrogates": lambda: (HEAD + "description: \ud800\n" + STEP).encode("utf-8", "surrogatepass"),
    "escaped surrogates": lambda: HEAD + 'description: "\\ud800 \\udfff"\nparams: {"\\ud800": "\\udc80"}\n' + STEP,
    "escaped surrogate in a path": lambda: step('    run: echo\n    inputs: {a: "a\\ud800b"}\n'),
    "escaped nul in a path": lambda: step('    run: echo\n    inputs: {a: "a\\0b"}\n    outputs: {b: "c\\0d"}\n'),
    "bidirectional": lambda: HEAD + 'steps: {"\\u202ea\\u2066": {"\\u2069run": "\\x1b[2J"}}\n',
    "escapes in messages": lambda: HEAD + '"\\e]0;owned\\a": 1\nsteps: {a: {"\\e[2J\\x9b": [*b]}}\n',
    "line ends": lambda: (HEAD + STEP).replace("\n", "\r") + "\x85\u2028\u2029",
    "tabs": lambda: HEAD + "steps:\n\ta:\n\t\trun: echo\n",
    # expressions
    "nested parentheses": lambda: expression("(" * 50_000 + "1" + ")" * 50_000),
    "nested lists": lambda: expression("[" * 50_000 + "]" * 50_000),
    "powers": lambda: expression("9**9**9**9"),
    "products": lambda: expression("9" * 300 + " * 9" * 300),
    "long product": lambda: expression(" * ".join(["999999999999999999"] * 800)),
    "shifts": lambda: expression("1 << 999999999"),
    "repeated text": lambda: expression("'a' * 1000000000"),
    "repeated list": lambda: expression("[0] * 1000000000"),
    "repeated range": lambda: expression("range(1000000) + range(1000000) + range(1000000)"),
    "endless range": lambda: expression("range(10**30)"),
    "joined ranges": lambda: expression("join(range(1000000), 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')"),
    "sorted ranges": lambda: expression("sorted(range(1000000)) == sorted(range(1000000))"),
    "rounded": lambda: expression("round(1.5, 999999999999)"),
    "text to number": lambda: expression("int('" + "9" * 100_000 + "')"),
    "number to text": lambda: expression("str(" + " * ".join(["9" * 1000] * 60) + ")"),
    "float overflow": lambda: expression("1e308 * 1e308 - 1e308 * 1e308"),
    "division": lambda: expression("1 / 0"),
    "modulo format": lambda: expression("'%999999999d' % 1"),
    "comparisons": lambda: expression(" < ".join(["1"] * 20_000)),
    "conditions": lambda: expression(" if 1 else ".join(["1"] * 5_000)),
    "long name in it": lambda: expression("params." + "a" * 200_000),
    "deep name": lambda: expression("params" + ".a" * 100_000),
    "many expressions": lambda: step("    run: echo " + "${{ 1 }} " * 100_000 + "\n"),
    "unclosed expressions": lambda: step("    run: echo " + "${{ " * 100_000 + "\n"),
    "attributes": lambda: expression("params.__class__.__mro__[1].__subclasses__()"),
    "lambdas": lambda: expression("(lambda: 1)() + [x for x in range(9)]"),
    "escapes": lambda: expression("'\\N{LATIN SMALL LETTER A}' * 3 + '\\ud800'"),
    "f-string": lambda: expression("f'{1:>999999999}'"),
    # patterns and globs
    "stars": lambda: step("    run: echo\n    inputs: {a: '" + "*" * 5_000 + "b'}\n"),
    "star folders": lambda: step("    run: echo\n    inputs: {a: '" + "**/" * 3_000 + "b'}\n"),
    "braces glob": lambda: step("    run: echo\n    inputs: {a: 'a" + "[a-z]" * 5_000 + "'}\n"),
    "excludes": lambda: step("    run: echo\n    inputs: {a: {path: 'd/', exclude: ['" + "*a" * 30 + "', '**/a']}}\n"),
    "code globs": lambda: step("    run: echo\n    code: ['" + "**/*a" * 60 + "']\n"),
    "long path": lambda: step("    run: echo\n    outputs: {a: '" + "a/" * 100_000 + "b'}\n"),
    "long file name": lambda: step("    run: echo\n    outputs: {a: '" + "a" * 100_000 + "'}\n"),
    "dots": lambda: step("    run: echo\n    inputs: {a: '" + "../" * 50_000 + "etc/passwd'}\n"),
    # shell
    "shell parentheses": lambda: step("    run: |\n      " + "(" * 20_000 + "\n      echo ${{ params.a }}\n"),
    "shell substitutions": lambda: step("    run: |\n      echo " + '"$(' * 3_000 + "${{ 1 }}" + ')"' * 3_000 + "\n"),
    "shell quotes": lambda: step("    run: |\n      echo " + "'\"" * 100_000 + " ${{ 1 }}\n"),
    "shell documents": lambda: step("    run: |\n" + "      cat <<A <<B <<C\n" * 5_000 + "      ${{ 1 }}\n"),
    "shell braces": lambda: step("    run: |\n      echo ${" * 1 + "a:-${" * 5_000 + "}" * 5_000 + "} ${{ 1 }}\n"),
    "shell backslashes": lambda: step("    run: |\n      echo " + "\\\\" * 100_000 + " ${{ 1 }}\n"),
    "shell ifs": lambda: step("    run: |\n" + "      if true; then\n" * 3_000 + "      echo ${{ 1 }}\n" + "      fi\n" * 3_000),
}  # fmt: skip
