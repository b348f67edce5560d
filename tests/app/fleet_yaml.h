#pragma once

namespace fleetmeter::app {

/// A configuration with every part of the shape that the documentation shows.
inline constexpr const char* kFleetYaml = R"yaml(fleet: hyperion
state: /var/lib/fleetmeter   # default ./fleetmeter-state
http: { listen: "127.0.0.1:8080" }  # port 0 takes a free one and prints it
environments:
  prod: { match: { tag: { Environment: prod } }, accounts: ["123456789012"], region: us-east-1, budget: { monthly_usd: 500, alert_at: [80%, 100%] } }
sources:
  - kafka:    { brokers: "localhost:9092", topics: { flow_logs: vpc-flow-logs, metrics: cw-metrics }, group: fleetmeter }
  - firehose: { listen: "0.0.0.0:8443", access_key_env: FIREHOSE_KEY, tls: { cert: /etc/fleetmeter/tls.crt, key: /etc/fleetmeter/tls.key } }
  - files:    { paths: ["/var/spool/flow/**/*.log.gz"], follow: true }
inventory: [ terraform: state.json, aws: describe-instances.json ]
alarms:
  - { name: disk-warn, severity: warning, metric: { namespace: CWAgent, name: disk_used_percent, statistic: Maximum },
      for_each: InstanceId, when: "> 80", period: 60s, datapoints: 5 of 5, missing: missing, notify: [ops] }
scaling:
  - { group: { asg: hyperion-windows-fleet-asg }, min: 2, max: 10, quota: 100, cooldown: 300s, grace: 300s,
      metrics: { cpu: { namespace: AWS/EC2, name: CPUUtilization, statistic: Average } },   # over the group's machines
      policies: [ { simple: { metric: cpu, when: "> 70", for: 5m, add: 1 } }, { simple: { metric: cpu, when: "< 30", for: 10m, remove: 1 } } ],
      act: [ webhook: provisioning ] }   # cooldown belongs to simple policies; step takes a warm-up
notify:
  provisioning: { webhook: { url: "https://provisioning.example.com/hooks/fleet", secret_env: HOOK_SECRET } }
  ops: { slack: { url_env: SLACK_WEBHOOK_URL } }
)yaml";

}  // namespace fleetmeter::app
