// Every setting by name: what it means, what it may be, and where its value goes.
//
// The names are those of the command line (--drain_delay), of the environment (STRIDED_DRAIN_DELAY)
// and of the keys of a configuration file (drain_delay).

#ifndef STRIDED_SERVER_CONFIG_SETTING_TABLE_H_
#define STRIDED_SERVER_CONFIG_SETTING_TABLE_H_

#include <vector>

#include "absl/status/status.h"
#include "server/config/setting.h"
#include "server/config/settings.h"

namespace strided {

// Reads from and writes to `settings`, which outlives the table. In the order of settings.h.
std::vector<Setting> SettingTable(ServerSettings& settings);

// What no field can see by itself: that model_repository is set, that device and devices are not
// both and no device is twice, and that of two limits the later one is not the smaller.
// InvalidArgument with both names and values.
absl::Status CheckTogether(const ServerSettings& settings);

}  // namespace strided

#endif  // STRIDED_SERVER_CONFIG_SETTING_TABLE_H_
