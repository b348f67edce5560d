#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "aggregator/equal_bytes.h"
#include "aggregator/flow_facts.h"
#include "aggregator/inventory.h"
#include "aggregator/string_pool.h"
#include "aggregator/word_table.h"
#include "parsers/flow_values.h"
#include "parsers/index_table.h"

namespace fleetmeter::aggregator {

/// The texts of a record that say who captured it; absent ones are empty and not in `present`.
struct CaptureTexts {
  enum Field : std::uint8_t {
    kInterface,
    kResource,
    kAccount,
    kVpc,
    kSubnet,
    kInstance,
    kRegion,
    kAz,
    kType,
    kCount
  };
  std::array<std::string_view, kCount> text;
  /// Bit i: field i. Version 2 has two of nine, so only these are looked at.
  std::uint32_t present = 0;

  void set(std::size_t field, std::string_view value, bool is_present) noexcept {
    const std::uint32_t bit = 1u << field;
    text[field] = is_present ? value : std::string_view();
    present = is_present ? present | bit : present & ~bit;
  }
};

/// The texts of a record in as few pieces as their columns follow each other in its line: sooner
/// compared than each by itself.
struct CaptureRun {
  /// Each from a text to the end of one behind it.
  std::array<std::string_view, CaptureTexts::kCount> pieces;
  std::uint32_t count = 0;
  /// Which fields, in the order of the line, and where a piece begins; never 0 once it is read.
  std::uint64_t order = 0;
};

/// Look-ups of the inventory, remembered: what a record's texts and addresses mean at its event
/// time. Entries of the inventory begin and end, so everything is remembered per epoch, a stretch
/// of time in which none does. Answers are ids of facts; what they stand for depends on the
/// arguments alone, never on what was asked before. Not thread safe. Bound by the cache misses of
/// one look-up a text and address (bench/aggregator/).
class Attribution {
 public:
  Attribution(std::shared_ptr<const Inventory> inventory, std::string forced_environment,
              std::string account, std::string region, StringPool& strings);

  void set_inventory(std::shared_ptr<const Inventory> inventory);
  [[nodiscard]] const Inventory& inventory() const noexcept { return *inventory_; }

  /// Number of the epoch that holds `at_s`.
  [[nodiscard]] bool has_epochs() const noexcept { return !bounds_.empty(); }
  [[nodiscard]] std::uint32_t epoch(std::int64_t at_s) {
    const std::uint32_t last = last_epoch_;
    const bool is_same = (last == 0 || bounds_[last - 1] <= at_s) &&
                         (last == bounds_.size() || at_s < bounds_[last]);
    return is_same ? last : find_epoch(at_s);
  }

  /// Who captured; ids count from 0.
  [[nodiscard]] std::uint32_t capture(const CaptureTexts& texts, std::int64_t at_s,
                                      std::uint32_t epoch);
  static constexpr std::uint32_t kNoCapture = 0xffffffff;
  /// The capture that was seen last with an id like this, else kNoCapture. `id` is the text of the
  /// interface, or of the resource where there is none.
  [[nodiscard]] std::uint32_t recent_capture(std::string_view id) const noexcept {
    return recent_.find(id);
  }
  /// Before is_run(), some records ahead.
  void prefetch_capture(std::uint32_t capture) const noexcept {
    const CaptureEntry& entry = captures_[capture];
    __builtin_prefetch(&entry);
    __builtin_prefetch(entry.bytes.data());
    __builtin_prefetch(entry.bytes.data() + 64);
  }
  /// Whether a capture has just the texts of a run, of an order that was noted.
  [[nodiscard]] bool is_run(std::uint32_t capture, const CaptureRun& run,
                            std::uint32_t epoch) const noexcept {
    const CaptureEntry& entry = captures_[capture];
    if (entry.order != run.order || entry.epoch != epoch) return false;
    const char* at = entry.bytes.data();
    for (std::uint32_t i = 0; i < run.count; ++i) {
      const std::string_view piece = run.pieces[i];
      if (piece.size() != entry.piece_sizes[i] || !equal_bytes(at, piece.data(), piece.size()))
        return false;
      at += piece.size();
    }
    return true;
  }
  /// That the texts of a capture lie in a line like this.
  void note_run(std::uint32_t capture, const CaptureTexts& texts, const CaptureRun& run);
  [[nodiscard]] const CaptureFacts& capture_facts(std::uint32_t capture) const noexcept {
    return capture_facts_[capture];
  }
  [[nodiscard]] bool is_nat(std::uint32_t capture) const noexcept {
    return captures_[capture].is_nat;
  }
  /// Where attribute_flow() does not look at the text of an address, bits; none of NAT gateways.
  enum HiddenText : std::uint8_t {
    kOfOwn = 1,   ///< Of the own one: the capture has an owner.
    kOfBoth = 2,  ///< Where the own side is not known: the capture has a name.
    kOfPeer = 4,  ///< Of the peer's.
  };
  [[nodiscard]] unsigned hidden_texts(std::uint32_t capture) const noexcept {
    return captures_[capture].hidden_texts;
  }
  /// Facts of no address at all; of no use for address_facts().
  static constexpr std::uint32_t kAbsent = 0;
  /// Those of every public address that the inventory does not know.
  static constexpr std::uint32_t kInternet = 1;
  [[nodiscard]] std::uint32_t address(std::uint32_t capture, const parsers::IpAddress& address,
                                      std::int64_t at_s) {
    return address_in(captures_[capture].scope, address, at_s);
  }
  [[nodiscard]] const AddressFacts& address_facts(std::uint32_t address) const noexcept {
    return addresses_[address];
  }
  /// Of IPv4: the inventory has nothing near it, so that beside its text nothing is known but its
  /// private range (range_name()).
  [[nodiscard]] bool is_plain(const parsers::IpAddress& address) const noexcept {
    return prefix_of(address.v4()) == kPlain;
  }
  /// An address of IPv4 as far as anything is known of it: all of the internet are one; where the
  /// text is hidden all plain ones of a range are, too. 33 bits.
  [[nodiscard]] std::uint64_t known_v4(const parsers::IpAddress& address,
                                       bool is_hidden) const noexcept {
    const std::size_t kept = prefix_of(address.v4()) | (is_hidden ? kHidden : 0);
    return (kSpecialBit | address.v4()) & kKept[kept];
  }
  /// What most ask of an address, in one word.
  struct Peer {
    std::uint32_t bits = 0;

    /// The same facts without the address itself, as a peer shows them: equal facts have one id, of
    /// which there are few.
    [[nodiscard]] std::uint32_t id() const noexcept { return bits >> 2; }
    /// AddressFacts::is_inside().
    [[nodiscard]] bool is_inside() const noexcept { return (bits & 1) != 0; }
    /// AddressFacts::interface is known.
    [[nodiscard]] bool has_interface() const noexcept { return (bits & 2) != 0; }
  };
  [[nodiscard]] Peer as_peer(std::uint32_t address) const noexcept { return peers_[address]; }

  /// Both ends of a record.
  struct Ends {
    std::uint32_t source = kAbsent, destination = kAbsent;
    bool source_is_own = false;  ///< One of CaptureFacts::addresses.
    bool destination_is_own = false;
  };
  /// Null = absent.
  void find_ends(std::uint32_t capture, const parsers::IpAddress* source,
                 const parsers::IpAddress* destination, std::int64_t at_s, Ends& out);

  /// Environments by the index in CaptureFacts::environment.
  std::uint32_t environment_index(std::string_view name);
  [[nodiscard]] std::string_view environment_of(Inventory::Facts facts) const;
  /// Of every record, whatever the inventory says; empty = none.
  [[nodiscard]] std::string_view forced_environment() const noexcept { return forced_environment_; }
  [[nodiscard]] const std::vector<std::string>& environments() const noexcept {
    return environments_;
  }

  /// Forgets what it remembers when that grew large; true then: ids and facts given out before are
  /// void. The environments stay.
  [[nodiscard]] bool shrink();
  void forget();

 private:
  /// What is known of an address by its first 16 bits: it is the internet's, which is too wide to be
  /// remembered one by one; the inventory may know it; or nothing but its private range is known.
  enum Prefix : std::uint64_t { kPublic, kSpecial, kPlain };
  static constexpr std::uint64_t kSpecialBit = std::uint64_t{1} << 32;
  /// The bits that known_v4() keeps, by Prefix and whether the text is hidden.
  static constexpr std::size_t kHidden = 4;
  static constexpr std::array<std::uint64_t, 8> kKept = [] {
    std::array<std::uint64_t, 8> kept{};
    kept[kSpecial] = kept[kPlain] = kept[kHidden | kSpecial] = kSpecialBit | 0xffffffff;
    kept[kHidden | kPlain] = kSpecialBit | 0xffff0000;
    return kept;
  }();
  /// What is looked at for every record: a line for the facts, two for the texts, one after the
  /// other. Of the texts all or none are here.
  struct alignas(64) CaptureEntry {
    std::uint32_t epoch = 0;
    std::uint32_t scope = 0;  ///< scope_of() its epoch and VPC.
    std::uint64_t order = 0;  ///< Of the run that `bytes` is; 0 = the texts, one behind the other.
    std::uint32_t present = 0;
    std::array<std::uint8_t, CaptureTexts::kCount> piece_sizes{};  ///< Of that run.
    bool is_nat = false;
    bool has_addresses = false;  ///< CaptureFacts::addresses.
    bool is_long = false;        ///< The texts are in `long_texts_`.
    std::uint8_t hidden_texts = 0;
    std::array<std::uint8_t, CaptureTexts::kCount> offsets{},
        sizes{};  ///< Of the texts in `bytes`.
    std::array<char, 128> bytes;
  };

  /// The captures seen last by a few bits of the interface's id, two to a place: nearly every
  /// record's.
  class Recent {
   public:
    [[nodiscard]] std::uint32_t find(std::string_view id) const noexcept {
      const std::uint64_t hash = hash_of(id);
      const Place& place = places_[hash >> (64 - kBits)];
      const auto tag = static_cast<std::uint32_t>(hash);
      if (place[0].tag == tag && place[0].capture != kNoCapture) return place[0].capture;
      return place[1].tag == tag ? place[1].capture : kNoCapture;
    }
    void note(std::string_view id, std::uint32_t capture) noexcept {
      const std::uint64_t hash = hash_of(id);
      Place& place = places_[hash >> (64 - kBits)];
      const auto tag = static_cast<std::uint32_t>(hash);
      if (place[0].tag != tag) place[1] = place[0];
      place[0] = {tag, capture};
    }
    void clear() { places_.assign(std::size_t{1} << kBits, {}); }

   private:
    struct One {
      std::uint32_t tag = 0;
      std::uint32_t capture = kNoCapture;
    };
    using Place = std::array<One, 2>;
    static constexpr int kBits = 14;

    /// Of the end of an id: its beginning is the same in all.
    [[nodiscard]] static std::uint64_t hash_of(std::string_view id) noexcept {
      return parsers::mix(
          id.size() >= 8 ? parsers::load_word(id.data() + id.size() - 8) : id.size(), id.size());
    }
    std::vector<Place> places_;
  };

  void read_inventory();
  void read_bounds();
  void read_prefixes();
  [[nodiscard]] std::uint32_t find_epoch(std::int64_t at_s);
  [[nodiscard]] std::uint64_t prefix_of(std::uint32_t v4) const noexcept {
    return prefixes_[v4 >> 21] >> (v4 >> 15 & 62) & 3;
  }
  [[nodiscard]] bool is_same(std::uint32_t capture, const CaptureTexts& texts,
                             std::uint32_t epoch) const noexcept;
  [[nodiscard]] bool is_own(std::uint32_t capture,
                            const parsers::IpAddress& address) const noexcept;
  [[nodiscard]] std::uint32_t find_capture(const CaptureTexts& texts, std::int64_t at_s,
                                           std::uint32_t epoch);
  /// What an address means depends on the epoch and on the VPC that it is seen from.
  [[nodiscard]] std::uint32_t scope_of(std::uint32_t epoch, std::string_view vpc_id) const;
  [[nodiscard]] std::string_view vpc_of(std::uint32_t scope) const;
  [[nodiscard]] std::uint32_t address_in(std::uint32_t scope, const parsers::IpAddress& address,
                                         std::int64_t at_s) {
    if (!address.is_v4()) return find_address(scope, address, at_s);
    const std::uint32_t found = v4_table_.find(v4_key(scope, address));
    return found != WordTable<1>::kNone ? found : find_address(scope, address, at_s);
  }
  /// Of the internet as of any address: which of the two a record has cannot be guessed, so a branch
  /// would take longer than to look it up.
  [[nodiscard]] WordTable<1>::Key v4_key(std::uint32_t scope,
                                         const parsers::IpAddress& address) const noexcept {
    return {std::uint64_t{scope} << 33 | known_v4(address, false)};
  }
  [[nodiscard]] std::uint32_t find_address(std::uint32_t scope, const parsers::IpAddress& address,
                                           std::int64_t at_s);
  [[nodiscard]] std::uint32_t add_address(const AddressFacts& facts);
  [[nodiscard]] std::uint32_t add_peer(const AddressFacts& facts);
  std::uint32_t add_facts(const AddressFacts& facts, std::uint32_t as_peer);
  void add_capture(const CaptureTexts& texts, std::int64_t at_s, std::uint32_t epoch);
  struct Captured {
    CaptureFacts facts;
    std::string_view vpc_id;
  };
  [[nodiscard]] Captured make_capture(const CaptureTexts& texts, std::int64_t at_s);
  [[nodiscard]] AddressFacts make_address(const parsers::IpAddress& address, std::int64_t at_s,
                                          std::string_view vpc_id);

  std::shared_ptr<const Inventory> inventory_;
  std::string forced_environment_, account_, region_;
  StringPool& strings_;
  std::vector<std::string> environments_;
  std::vector<std::int64_t> bounds_;  ///< Times at which some entry begins or ends, ascending.
  std::uint32_t last_epoch_ = 0;
  std::array<std::uint64_t, 2048> prefixes_{};  ///< Two bits for each 16-bit prefix of IPv4.
  std::vector<AddressFacts> addresses_;
  std::vector<Peer> peers_;     ///< Of each.
  WordTable<1> v4_table_;       ///< By (scope, address).
  WordTable<3> address_table_;  ///< The same, of all other addresses.
  parsers::IndexTable peer_table_;
  std::vector<CaptureEntry> captures_;
  std::vector<CaptureFacts> capture_facts_;  ///< Of the same captures.
  using Texts = std::array<std::string, CaptureTexts::kCount>;
  std::unordered_map<std::uint32_t, Texts> long_texts_;  ///< Of those without room for them.
  parsers::IndexTable capture_table_;
  Recent recent_;
};

}  // namespace fleetmeter::aggregator
