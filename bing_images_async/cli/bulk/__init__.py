"""`bing-images bulk`: many queries from a file.

bulk_command, bulk_options     options, and the order of events
input_rows, input_file         a line of the input as search parameters; reading a file, or stdin as it arrives
run, termination               searching within limits; signals that end it
results                        the result of a query as a line of JSON, or as rows of a table
checkpoint                     the file of results, from which a later run continues; exactly-once, killed or not
output_files, export           which files are written; CSV and Parquet
tally, timeline                totals, failures and examples; requests over time
progress_display, summary, report_page, timeline_chart
                               progress, result and report for people
"""
