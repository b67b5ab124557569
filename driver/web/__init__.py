"""Live pages of the runs of a store, on loopback: the templates of the report, sent as a run goes.

`access` says who may ask, `changes` which sections a page lacks, `overview` what the pages of runs
and jobs show; they are pure. `watch` reads a run for all its pages, `app` answers, `serve` listens.
"""
