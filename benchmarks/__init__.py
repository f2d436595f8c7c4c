"""What is measured, and the command for each measurement. They print a table and end with 1 if a promise is broken.

    python -m benchmarks.pool [asyncio|trio]
        CPU time per request and transport, from 1 to 256 requests in flight; half a minute.
    python -m benchmarks.churn [--seconds 30] [--backend asyncio|trio] [--only session|httpx]
        Callers that lose patience at any moment, on a service that resets connections; beside a bare
        `httpx.AsyncClient`. Both backends take two and a half minutes.
    python -m benchmarks.quota [--seconds 10] [--rate 50] [--backend asyncio|trio]
        How much of a quota is used, and that it is never exceeded; 20 s.

Services stand in processes of their own on loopback (`benchmarks.service`), so that what is measured is the
client. Figures in virtual time are tests: `pytest -m figures -s`.
"""
