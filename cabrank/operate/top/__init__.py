"""`cabrank top`: a live view of regions, leaders, rates and lags, from /metrics alone.

sample.py reads (pure), figures.py computes (pure), view.py draws (pure), scrape.py asks
the processes, app.py runs it. Must not be needed by anything.
"""
