"""Writes regex.jsonl: what re.findall and re.sub (CPython 3.11) make of patterns and texts. {"pattern", "results": [[text, matches, rest]]}."""
import json
import re
import warnings

warnings.simplefilter("ignore")
PATTERNS = [
    r".", r"(?s).*", r"(.*)(?=.)", r"(?<=the answer is )(.*)(?=.)", r"\d+", r"\w+", r"\W+", r"\s+", r"\S+", r"\D", r"[^\w]", r"[^\W\d]+",
    r"[\s\d]+", r"[^\s]+", r"\b", r"\B", r"\bthe\b", r"(?i)the", r"(?i)[a-z]+", r"$", r"(?m)$", r"(?m)^.", r"\Z", r"\A.", r"a*", r"a*?", r"|a",
    r"(a)|(b)", r"(a)|b", r"(?P<x>a)(?P=x)?", r"(a)\1", r"(?<!a)b", r"(?<=[^a])b", r"a{,2}", r"a{x}", r"a{", r"{}", r"a{1,2}?", r"a++b?",
    r"(?>a+)b", r"[]a]", r"[^]a]", r"[a\]b]", r"[-a]", r"[a-]", r"[[a]", r"[.$]", r"(?x) a b # c", r"(?x)a + b", r"\x61", r"\141",
    r"[\x00-\x7f]+", r"[^\x00-\x7f]+", "[\u00e0-\u00ff]", "😀", "[😀-😎]", "[^😀]", "(?<=😀).", ".(?=😀)", r"(?a)\w+", r"(?a)\d", r"(?s:.)b",
    r"(?i:A)b", r"(a)?(?(1)b|c)", r"(?#hi)a", r"\\", r"\-", r"()", r"a|", r"#### (\-?[0-9\.\,]+)", r"(-?[$0-9.,]{2,})|(-?[0-9]+)",
    r"(?s).*#### ", r"\.$", "\n", r"(\([A-Z]\))", r":[\s]*(A|B)", r"(\w)(\W)?", r"(?m)^(.*)$", r"[一-鿿]+", r"[\U0001F600-\U0001F64F\d]"]
TEXTS = [
    "", "aab", "ab ba", "the answer is x😀", "So The Answer: the THE", "1,234.50 and -7.", "x\ny\n", "é e\u0301 na", "٣٤ 12",
    "a\u00a0b\u2003c\x1cd", "a😀b😀😀", "𝐀𝐁 𠀀x", "_x-y_ it's", "(A) or :B", "r\n#### 1,200.\n#### 3", "{}a{x}[b]^-.$\\", "½ ² Ⅷ 中文", "ccab"]
with open("regex.jsonl", "w", encoding="utf-8", newline="\n") as out:
    for pattern in PATTERNS:
        regex = re.compile(pattern)
        results = [[t, [list(m) if isinstance(m, tuple) else [m] for m in regex.findall(t)], regex.sub("", t)] for t in TEXTS]
        print(json.dumps({"pattern": pattern, "results": results}, ensure_ascii=False, separators=(",", ":")), file=out)
