#pragma once

#include <concepts>
#include <type_traits>

#include "aggregator/inventory_data.h"

namespace fleetmeter::aggregator {

/// The keys of the plain form (docs/inventory.md), each once: `visit_fields(fields, entry)` shows
/// every field of an entry to a reader or a writer, in the order in which they are written. `Fields`
/// has text, texts, pairs, flag, number, role and validity, each taking a key (validity knows its
/// own) and the member; a reader gets a mutable entry, a writer a const one. What a reader takes
/// besides (other spellings, defaults of the file, what must be given) is the reader's.
template <typename Fields, typename Entry>
void visit_owner(Fields& fields, Entry& one) {
  fields.text("region", one.region);
  fields.text("account", one.account);
  fields.pairs("tags", one.tags);
}

template <typename Entry, typename Is>
concept EntryOf = std::same_as<std::remove_const_t<Entry>, Is>;

template <typename Fields, EntryOf<Vpc> Entry>
void visit_fields(Fields& fields, Entry& one) {
  fields.text("id", one.id);
  fields.text("name", one.name);
  fields.texts("cidrs", one.cidrs);
  visit_owner(fields, one);
}

template <typename Fields, EntryOf<Subnet> Entry>
void visit_fields(Fields& fields, Entry& one) {
  fields.text("id", one.id);
  fields.text("name", one.name);
  fields.text("cidr", one.cidr);
  fields.text("az", one.az);
  fields.text("vpc_id", one.vpc_id);
  visit_owner(fields, one);
}

template <typename Fields, EntryOf<Interface> Entry>
void visit_fields(Fields& fields, Entry& one) {
  fields.text("id", one.id);
  fields.text("subnet", one.subnet_id);
  fields.text("vpc_id", one.vpc_id);
  fields.text("az", one.az);
  fields.text("instance", one.instance_id);
  fields.text("resource", one.resource_id);
  fields.text("description", one.description);
  fields.texts("addresses", one.private_addresses);
  fields.texts("public_addresses", one.public_addresses);
  fields.role("role", one.role);
  fields.validity(one.valid);
  visit_owner(fields, one);
}

template <typename Fields, EntryOf<Instance> Entry>
void visit_fields(Fields& fields, Entry& one) {
  fields.text("id", one.id);
  fields.text("type", one.type);
  fields.text("az", one.az);
  fields.text("group", one.group);
  fields.text("subnet", one.subnet_id);
  fields.text("vpc_id", one.vpc_id);
  fields.text("state", one.state);
  fields.text("name", one.name);
  fields.flag("windows", one.windows);
  fields.validity(one.valid);
  visit_owner(fields, one);
}

template <typename Fields, EntryOf<Group> Entry>
void visit_fields(Fields& fields, Entry& one) {
  fields.text("name", one.name);
  fields.text("kind", one.kind);
  fields.number("minimum", one.minimum);
  fields.number("maximum", one.maximum);
  fields.number("desired", one.desired);
  fields.texts("instances", one.instance_ids);
  fields.text("instance_type", one.instance_type);
  fields.flag("windows", one.windows);
  fields.flag("planned", one.planned);
  fields.validity(one.valid);
  visit_owner(fields, one);
}

template <typename Fields, EntryOf<Resource> Entry>
void visit_fields(Fields& fields, Entry& one) {
  fields.text("address", one.address);
  fields.text("type", one.type);
  fields.text("id", one.id);
  fields.text("environment", one.environment);
  fields.pairs("attributes", one.attributes);
  fields.flag("planned", one.planned);
  fields.validity(one.valid);
  visit_owner(fields, one);
}

template <typename Fields, EntryOf<EnvironmentMatch> Entry>
void visit_fields(Fields& fields, Entry& one) {
  fields.text("name", one.name);
  fields.texts("accounts", one.accounts);
  fields.text("region", one.region);
  fields.texts("vpcs", one.vpcs);
  fields.texts("subnets", one.subnets);
  fields.texts("groups", one.groups);
  fields.texts("instances", one.instances);
  fields.pairs("tags", one.tags);
}

}  // namespace fleetmeter::aggregator
