"""The sums in docs/architecture.md are right, and made of the prices that it lists."""

import ast
import operator
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
SUM = re.compile(r"([\d.(][\d.\N{MULTIPLICATION SIGN}+/() ]*[\d)]) = (\d+(?:\.\d+)?)")
OPERATORS = {ast.Add: operator.add, ast.Mult: operator.mul, ast.Div: operator.truediv}
SUMS = SUM.findall(PAGE)


def value(text: str) -> float:
    def of(node: ast.expr) -> float:
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](of(node.left), of(node.right))
        assert isinstance(node, ast.Constant)
        return float(node.value)

    return of(ast.parse(text.replace("\N{MULTIPLICATION SIGN}", "*"), mode="eval").body)


@pytest.mark.parametrize(("made_of", "result"), SUMS, ids=[f"{made} = {result}" for made, result in SUMS])
def test_sums_are_right(made_of: str, result: str) -> None:
    assert f"{value(made_of):.2f}" == result


def test_there_are_sums() -> None:
    assert len(SUMS) >= 15


def test_rates_in_sums_are_listed() -> None:
    table = PAGE.partition("| price | USD |")[2].partition("\n\n")[0]
    rates = {rate for made_of, _ in SUMS for rate in re.findall(r"\b0\.0\d+\b", made_of)}
    assert len(rates) >= 6
    assert rates <= set(re.findall(r"\d+(?:\.\d+)?", table))
