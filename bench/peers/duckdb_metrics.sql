-- A JSON metric stream to typed datapoints.
CREATE TABLE datapoints AS
SELECT account_id, region, namespace, metric_name, dimensions, timestamp, unit,
       value."count" AS sample_count, value."sum" AS total, value."min" AS minimum, value."max" AS maximum
FROM read_json($path, format = 'newline_delimited',
               columns = {'metric_stream_name': 'VARCHAR', 'account_id': 'VARCHAR', 'region': 'VARCHAR', 'namespace': 'VARCHAR',
                          'metric_name': 'VARCHAR', 'dimensions': 'MAP(VARCHAR, VARCHAR)', 'timestamp': 'BIGINT',
                          'value': 'STRUCT("count" DOUBLE, "sum" DOUBLE, "max" DOUBLE, "min" DOUBLE)', 'unit': 'VARCHAR'});
