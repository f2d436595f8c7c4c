"""What is measured, and the command for each measurement. They print a table and end with 1 if a promise is broken.

Speed, beside other ways to get typed pages; `docs/performance.md` explains the tables:

    python -m benchmarks [--full] [--only NAME ...] [--out DIR]
        Decode, one call, pages over a socket, limiters, growth, start; the peers get an environment of their own.
        Writes `table.md`, `results.json` and plots to `benchmarks/results`. Five minutes; an hour with `--full`.
    python -m benchmarks compare REV [--only NAME ...]
        The library of another revision and that of this checkout, turn about; 1 if anything got slower by 15 %.

Promises under faults:

    python -m benchmarks.pool [asyncio|trio]
        CPU time per request and transport, from 1 to 256 requests in flight; half a minute.
    python -m benchmarks.churn [--seconds 30] [--backend asyncio|trio] [--only session|httpx]
        Callers that lose patience at any moment, on a service that resets connections; beside a bare
        `httpx.AsyncClient`. Both backends take two and a half minutes.
    python -m benchmarks.quota [--seconds 10] [--rate 50] [--backend asyncio|trio]
        How much of a quota is used, and that it is never exceeded; 20 s.
    python -m benchmarks.bulk_quota [--queries 1000] [--rate 50]
        The same of the command `bing-images bulk`, which the emulator answers.
    python -m benchmarks.fan_out [--queries 100000] [--backend asyncio|trio] [--plot FILE.svg]
        Memory of a run over many queries, from its beginning to its end.
    python -m benchmarks.kill [--queries 2000] [--kills 20]
        A bulk run that is killed again and again has every result once.

Services stand in processes of their own on loopback (`benchmarks.service`, `benchmarks.speed.server`), so that what
is measured is the client. Figures in virtual time are tests: `pytest -m figures -s`.
"""
