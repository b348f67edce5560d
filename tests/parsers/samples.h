#pragma once

#include <string_view>

namespace fleetmeter::parsers::testing {

/// One datapoint in OTLP 0.7.0, framed: 397 bytes. Account 123456789012, eu-west-1, AWS/EC2
/// CPUUtilization of i-0123456789abcdef0, unit %, 1700000040 s to 1700000100 s, count 5, sum 12.5,
/// min 0, p99 4.75, max 5.
inline constexpr std::string_view kOtlp07Base64 = R"(
iwMKiAMKqwEKFwoOY2xvdWQucHJvdmlkZXISBQoDYXdzCiIKEGNsb3VkLmFjY291bnQuaWQSDgoMMTIzNDU2Nzg5MDEyChsKDGNs
b3VkLnJlZ2lvbhILCglldS13ZXN0LTEKTwoQYXdzLmV4cG9ydGVyLmFybhI7Cjlhcm46YXdzOmNsb3Vkd2F0Y2g6ZXUtd2VzdC0x
OjEyMzQ1Njc4OTAxMjptZXRyaWMtc3RyZWFtL3MS1wES1AEKJGFtYXpvbmF3cy5jb20vQVdTL0VDMi9DUFVVdGlsaXphdGlvbhoB
JVqoAQqlAQoUCglOYW1lc3BhY2USB0FXUy9FQzIKHAoKTWV0cmljTmFtZRIOQ1BVVXRpbGl6YXRpb24KIQoKSW5zdGFuY2VJZBIT
aS0wMTIzNDU2Nzg5YWJjZGVmMBEAkFmGB52XFxkA6KB+FZ2XFyEFAAAAAAAAACkAAAAAAAApQDIAMhIJrkfhehSu7z8RAAAAAAAA
E0AyEgkAAAAAAADwPxEAAAAAAAAUQA==)";

/// The same datapoint in OTLP 1.0.0, framed: 421 bytes.
inline constexpr std::string_view kOtlp10Base64 = R"(
owMKoAMKqwEKFwoOY2xvdWQucHJvdmlkZXISBQoDYXdzCiIKEGNsb3VkLmFjY291bnQuaWQSDgoMMTIzNDU2Nzg5MDEyChsKDGNs
b3VkLnJlZ2lvbhILCglldS13ZXN0LTEKTwoQYXdzLmV4cG9ydGVyLmFybhI7Cjlhcm46YXdzOmNsb3Vkd2F0Y2g6ZXUtd2VzdC0x
OjEyMzQ1Njc4OTAxMjptZXRyaWMtc3RyZWFtL3MS7wES7AEKJGFtYXpvbmF3cy5jb20vQVdTL0VDMi9DUFVVdGlsaXphdGlvbhoB
JVrAAQq9AREAkFmGB52XFxkA6KB+FZ2XFyEFAAAAAAAAACkAAAAAAAApQDIAMhIJrkfhehSu7z8RAAAAAAAAE0AyEgkAAAAAAADw
PxEAAAAAAAAUQDoWCglOYW1lc3BhY2USCQoHQVdTL0VDMjoeCgpNZXRyaWNOYW1lEhAKDkNQVVV0aWxpemF0aW9uOjUKCkRpbWVu
c2lvbnMSJzIlCiMKCkluc3RhbmNlSWQSFQoTaS0wMTIzNDU2Nzg5YWJjZGVmMA==)";

/// What both say.
inline constexpr std::string_view kOtlpText =
    "arn:aws:cloudwatch:eu-west-1:123456789012:metric-stream/s|123456789012|eu-west-1|AWS/"
    "EC2|CPUUtilization|Percent| "
    "start_ms=1700000040000 period_s=60 count=5 sum=12.5 min=0 max=5 "
    "InstanceId=i-0123456789abcdef0 p99:4.750000";

/// Two gzip members (191 and 269 bytes): a CONTROL_MESSAGE envelope, then a DATA_MESSAGE with one
/// OK and one NODATA record; no newline anywhere.
inline constexpr std::string_view kEnvelopeMembersBase64 = R"(
H4sIAAAAAAAAAEWOUQuCMBSF/8rYs0Q9Bb6FqC+WkEIPIbH0tl3STbaZhPjf29Lovn2cw7nfRDswhnEo3z3QkEb5qTzn2e0YF8Uh
jWlA1ShB+6RVQzMyW4tMceOCVvFUq6F32UKF1cC6Bc1wN7XG3qKSCbYWtKHhtfr24hdI63Gi2Cx1i07Dss6N7fbb/wU/PS9wyciq
R1a9kEQC6idKTgSw1gqiHqRxSyiZ/0wS1CCUgQ2dq/kDiawB4OwAAAAfiwgAAAAAAAAArZLfa8IwEID/lSPPVpM0/eVbcdWHsTlo
34aMWk8XaJuSRGVI//elK9sc+LQtB+H4LtzdB7mQBo0pD1i8dUjm5C4t0peHLM/TVUYmRJ1b1A4z7osgjOKEMu5wrQ4rrY6dq8xO
XTXb1+o84txqLBvHsZUeLdmWV/5OYLAPacRir6xr984ct6bSsrNStUtZW9SGzJ+JVUup8VUZJJuPZtkJWzuULkTuXE8/pr85zI20
0nnasnErs2jEYrgmn/6uPYdrTbhpAIxOhwjGhE0TEAkLOAjhQ+ggxILC94ivNEkgXSyypwLW96Sf/M2I/6eR9yNur+7B43r4GqTf
9O8VacbrMwIAAA==)";

inline constexpr std::string_view kOkLine =
    "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 "
    "1418530070 ACCEPT OK\n";
inline constexpr std::string_view kNoDataLine =
    "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA\n";

/// One JSON datapoint, without line end.
inline constexpr std::string_view kMetricJson =
    R"({"metric_stream_name":"S","account_id":"012345678901","region":"us-east-1","namespace":"AWS/EC2",)"
    R"("metric_name":"CPUUtilization","dimensions":{"InstanceId":"i-1"},"timestamp":1643916720000,)"
    R"json("value":{"max":9.5,"min":1.5,"sum":11.0,"count":2.0,"p99":9.25,"TM(25%:75%)":5.0},"unit":"Percent"})json";
inline constexpr std::string_view kMetricJsonText =
    "S|012345678901|us-east-1|AWS/EC2|CPUUtilization|Percent| start_ms=1643916720000 period_s=0 "
    "count=2 sum=11 min=1.5 "
    "max=9.5 InstanceId=i-1 p99:9.250000 TM(25%:75%):5.000000";

}  // namespace fleetmeter::parsers::testing
