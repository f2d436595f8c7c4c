"""`bing-images bulk`: many queries from a file. Where to find what:

command                the options, and what happens in which order
fields, rows, source   a line of the input as a question; the lines of a file, or of stdin as they come
journal, store         what is done, so that a run that was killed goes on; the output that agrees with it
records, parquet       an outcome as bytes; a table of all of them
run                    asking, within limits
watch, board           what the session does, second by second; how far it is, for those who wait
summary                how it went
report, chart          the same to look at
"""
