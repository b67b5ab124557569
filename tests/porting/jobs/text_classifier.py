"""mrjob's mr_text_classifier: scores of n-grams and of documents by category, in four steps.

A file is called `ID-CATEGORY-not_CATEGORY.txt`. About half of the documents are a test set.
"""

import hashlib
import math
import re
from collections import Counter, defaultdict
from pathlib import PurePosixPath

from mapreduce import Chain, Job, WholeFile

WORD = re.compile(r"[\w']+")
ANY = None


class Ngrams(Job):
    input_format = WholeFile()
    stop_words: str
    max_ngram_size: int = 4
    min_df: int = 2
    no_test_set: bool = False

    def map(self, url, content):
        name, *said = PurePosixPath(url).stem.split("-")
        cats = {each.removeprefix("not_"): not each.startswith("not_") for each in said}
        digest = hashlib.sha1(content).hexdigest()
        tests = not self.no_test_set and bool(int(digest[-1], 16) % 2)
        counts = self._counts(content.decode())
        if not tests:
            for ngram, count in counts.items():
                yield ("ngram", ngram), (count, cats)
        doc = {"id": name, "cats": cats, "in_test_set": tests, "counts": list(counts.items())}
        yield ("doc", name), doc

    def _counts(self, text):
        stop = {word.strip() for word in self.stop_words.split(",")}
        words = [word for word in WORD.findall(text.lower()) if word not in stop]
        counts = Counter()
        for n in range(1, self.max_ngram_size + 1):
            starts = range(len(words) - n + 1)
            counts.update((n, " ".join(words[start : start + n])) for start in starts)
            counts[n, ANY] = len(words) - n + 1
        return counts

    def reduce(self, key, values):
        kind, ngram = key
        if kind == "doc":
            yield key, next(values)
            return
        found = list(values)
        times = Counter()
        for count, cats in found:
            for cat in cats.items():
                times[cat] += count
        if len(found) >= self.min_df:
            yield ("all", 0), (ngram, list(times.items()))


class NgramScores(Job):
    def reduce(self, key, values):
        kind, _ = key
        if kind == "doc":
            doc = next(values)
            yield key, ("doc", doc)
            for ngram, _ in doc["counts"]:
                if ngram[1] is not ANY:
                    yield ("ngram", ngram), ("in", doc["id"])
            return
        times = {ngram: dict(counts) for ngram, counts in values}
        least = 1 / len(times)
        for ngram, counts in times.items():
            totals = times[ngram[0], ANY]
            chance = {
                cat: (counts.get(cat, 0) + 2 * least) / (total + 2) for cat, total in totals.items()
            }
            scores = {
                cat: math.log(chance.get((cat, True), least))
                - math.log(chance.get((cat, False), least))
                for cat, _ in totals
            }
            yield ("ngram", ngram), ("scores", scores)


class ByNgram(Job):
    max_df: int = 10_000_000

    def reduce(self, key, values):
        kind, ngram = key
        if kind == "doc":
            yield key, next(values)
            return
        found = list(values)
        docs = [name for word, name in found if word == "in"]
        for scores in (value for word, value in found if word == "scores"):
            if len(docs) <= self.max_df:
                for name in docs:
                    yield ("doc", name), ("scores", (ngram, scores))
                yield ("cat_to_score", ngram), scores


class DocumentScores(Job):
    short_doc_threshold: int = 0

    def reduce(self, key, values):
        if key[0] == "cat_to_score":
            yield key, next(values)
            return
        found = list(values)
        (doc,) = [value for word, value in found if word == "doc"]
        counts = dict(doc.pop("counts"))
        parts = defaultdict(list)
        for ngram, scores in (value for word, value in found if word == "scores"):
            length = max(counts[ngram[0], ANY], self.short_doc_threshold, 1)
            for cat, score in scores.items():
                parts[cat].append(score * counts[ngram] / length)
        # fsum, because the order of the n-grams follows from how the steps before were cut
        yield key, {**doc, "cat_to_score": {cat: math.fsum(parts[cat]) for cat in sorted(parts)}}


class TextClassifier(Chain):
    stop_words: str
    max_ngram_size: int = 4
    min_df: int = 2
    max_df: int = 10_000_000
    short_doc_threshold: int = 0
    no_test_set: bool = False

    def steps(self):
        return [Ngrams(), NgramScores(), ByNgram(), DocumentScores()]
