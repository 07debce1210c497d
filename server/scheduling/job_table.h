// The jobs of a scheduler, in the order in which they are served.

#ifndef STRIDED_SERVER_SCHEDULING_JOB_TABLE_H_
#define STRIDED_SERVER_SCHEDULING_JOB_TABLE_H_

#include <memory>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "server/scheduling/job.h"
#include "server/scheduling/job_state.h"

namespace strided {

// Owns the jobs. Of the scheduler thread alone.
class JobTable {
 public:
  using Order = std::set<JobState*, Precedence>;

  // The job, filed. Requires that no job has its id.
  JobState* Add(std::unique_ptr<JobState> job);
  JobState* Find(JobId id) const;  // null where there is none
  std::unique_ptr<JobState> Remove(JobState* job);

  // To be called after samples of the job have got, lost or given back slots, or ended.
  void Refile(JobState* job);

  // Jobs with a sample that waits for a slot, and with one that holds one: a job can be both.
  const Order& waiting() const { return waiting_; }
  const Order& running() const { return running_; }
  bool empty() const { return jobs_.empty(); }

 private:
  absl::flat_hash_map<JobId, std::unique_ptr<JobState>> jobs_;
  Order waiting_;
  Order running_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_JOB_TABLE_H_
