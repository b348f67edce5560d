#include "app/config_example.h"

namespace fleetmeter::app {

std::string_view config_example() noexcept {
  return R"yaml(# fleet.yaml of Fleetmeter. Check it with `fleetmeter rules check fleet.yaml`.
# Keys that start with `#- ` are optional and show their default or an example.
# Durations are written like 90s, 5m, 2h, 1d. Secrets are never inline: name a variable or a file.

fleet: my-fleet                      # 1 to 64 letters, digits, . _ -
#- state: ./fleetmeter-state         # log.db and cost.db; relative to the working directory
#- http: { listen: "127.0.0.1:8080" } # API, /metrics, /health; port 0 takes a free one

# Where a record belongs: by account and region, VPC, subnet, group, instance, then tags; the next
# narrows where several match. What nothing matches is `unassigned`, and its rules apply too.
environments:
  prod:
    accounts: ["123456789012"]
    region: us-east-1
    match: { tag: { Environment: prod } }    # also vpc:, subnet:, group:, instance:
    budget: { monthly_usd: 500, alert_at: [80%, 100%] }
  staging:
    match: { tag: { Environment: staging } }

# Telemetry: VPC flow logs and CloudWatch metric streams, told apart by content.
sources:
  - files:
      paths: ["telemetry/**/*.gz"]   # files, directories, patterns; "-" is standard input
      follow: false                  # true: keep reading what is appended and what appears
      #- flow_format: "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr}"
      #- environment: prod           # forced on every record of this source
      #- account: "123456789012"     # where records do not say
      #- region: us-east-1
      #- environments: [prod]        # that wait for this source; default: those it carries
      #- allowed_lateness: 15m       # files 15m, the others 10m
  #- - firehose:
  #-     listen: "0.0.0.0:8443"
  #-     access_key_env: FIREHOSE_KEY
  #-     tls: { cert: /etc/fleetmeter/tls.crt, key: /etc/fleetmeter/tls.key }
  #- - kafka:
  #-     brokers: "localhost:9092"
  #-     topics: { flow_logs: vpc-flow-logs, metrics: cw-metrics }
  #-     group: fleetmeter
  #-     properties: { security.protocol: SASL_SSL, sasl.mechanism: SCRAM-SHA-512, sasl.username: fleetmeter }
  #-     password_env: KAFKA_PASSWORD

# What the fleet is made of; paths are relative to this file.
inventory:
  - terraform: state.json            # `terraform show -json` or terraform.tfstate
  #- - aws: describe-instances.json  # aws ec2 describe-* and autoscaling describe-*
  #- - file: network.yaml            # plain: vpc_cidr, subnets, interfaces

#- flow_logs: { capture_interval: 60s } # 60s or 600s; default: as seen
#- series:                           # metrics whose own period or delay is not the usual one
#-   - { namespace: AWS/NATGateway, name: PacketsDropCount, period: 60s, publication_delay: 15m }
#- log: { days: 14, bytes_max: 21474836480 }

alarms:
  - name: disk-warn
    #- description: A disk fills up.
    severity: warning                # critical, error, warning, info
    #- environments: [prod]          # default: all, `unassigned` included
    metric: { namespace: CWAgent, name: disk_used_percent, statistic: Maximum }
    for_each: InstanceId             # one alarm a value of this dimension; without it: one in all
    when: "> 80"                     # >, >=, <, <=; "> 80%" too if the metric is in percent
    period: 60s
    datapoints: 5 of 5               # M of N periods
    #- range: 8                      # periods looked at to find N datapoints
    missing: missing                 # missing, ignore, breaching, notBreaching
    #- low_samples: evaluate         # or ignore: too few samples for a percentile keep the state
    notify: [ops]
  #- - { name: scan, metric: { namespace: Fleetmeter/VPC, name: RejectedRecords, statistic: Sum }, for_each: InterfaceId, when: ">= 100" } # flow logs

scaling:
  - group: { asg: my-asg }           # or ecs_service:, eks_nodegroup:, other:
    #- environments: [prod]
    min: 2
    max: 10
    #- quota: 100                    # hard limit of the account
    #- desired: 4                    # until the inventory or an actuator says otherwise
    cooldown: 300s                   # between two actions of simple policies
    grace: 300s                      # a new machine counts after it
    #- warm_up: 120s                 # of step policies
    metrics:
      cpu: { namespace: AWS/EC2, name: CPUUtilization, statistic: Average }
    policies:
      - simple: { metric: cpu, when: "> 70", for: 5m, add: 1 }
      - simple: { metric: cpu, when: "< 30", for: 10m, remove: 1 }
      #- - step: { metric: cpu, when: "> 70", for: 1m, warm_up: 120s, steps: [ { from: 0, to: 15, add: 1 }, { from: 15, add: 3 } ] }
    act: [ webhook: provisioning ]   # acts on the decision
    #- notify: [ops]                 # only hears of it

notify:
  provisioning: { webhook: { url: "https://provisioning.example.com/hooks/fleet", secret_env: HOOK_SECRET } }
  ops: { slack: { url_env: SLACK_WEBHOOK_URL } }
  #- pager: { pagerduty: { routing_key_env: PAGERDUTY_KEY } }
  #- alertmanager: { alertmanager: { url: "http://localhost:9093/api/v2/alerts", send_ok: true, timeout: 15s, attempts: 10 } }

#- kafka_log:                        # `ingest` and `evaluate` only
#-   brokers: "localhost:9092"
#-   prefix: fleetmeter              # of the topics
#-   partitions: 4
#-   replication: 1
#-   session_timeout: 6s
#-   transaction_timeout: 10s
#-   shards: { prod: 0, staging: 1 } # environment: partition
)yaml";
}

}  // namespace fleetmeter::app
