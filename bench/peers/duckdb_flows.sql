-- Flow logs of the default format to sums by (interface, direction, action, minute of start). The text holds no direction:
-- a private source with a public destination is egress, the other way round ingress, else it is unknown.
CREATE TABLE sums AS
WITH records AS (
  SELECT interface_id, action, start, packets, bytes,
         regexp_matches(srcaddr, '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.)') AS from_private,
         regexp_matches(dstaddr, '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.)') AS to_private
  FROM read_csv($path, delim = ' ', header = false, auto_detect = false, quote = '', escape = '', nullstr = '-',
                columns = {'version': 'UTINYINT', 'account_id': 'VARCHAR', 'interface_id': 'VARCHAR', 'srcaddr': 'VARCHAR',
                           'dstaddr': 'VARCHAR', 'srcport': 'USMALLINT', 'dstport': 'USMALLINT', 'protocol': 'UTINYINT',
                           'packets': 'UBIGINT', 'bytes': 'UBIGINT', 'start': 'BIGINT', 'end': 'BIGINT',
                           'action': 'VARCHAR', 'log_status': 'VARCHAR'})
  WHERE log_status = 'OK')
SELECT interface_id,
       CASE WHEN from_private AND NOT to_private THEN 'egress' WHEN to_private AND NOT from_private THEN 'ingress' ELSE 'unknown' END AS direction,
       action, start // 60 AS start_min,
       sum(packets)::UBIGINT AS packets, sum(bytes)::UBIGINT AS bytes, count(*) AS records
FROM records GROUP BY ALL;
