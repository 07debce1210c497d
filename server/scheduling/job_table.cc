#include "server/scheduling/job_table.h"

#include <utility>

namespace strided {
namespace {

void File(JobTable::Order& order, JobState* job, bool belongs) {
  if (belongs) {
    order.insert(job);
  } else {
    order.erase(job);
  }
}

}  // namespace

JobState* JobTable::Add(std::unique_ptr<JobState> job) {
  JobState* const added = job.get();
  jobs_.emplace(added->id(), std::move(job));
  Refile(added);
  return added;
}

JobState* JobTable::Find(JobId id) const {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->second.get();
}

std::unique_ptr<JobState> JobTable::Remove(JobState* job) {
  waiting_.erase(job);
  running_.erase(job);
  const auto found = jobs_.find(job->id());
  std::unique_ptr<JobState> removed = std::move(found->second);
  jobs_.erase(found);
  return removed;
}

void JobTable::Refile(JobState* job) {
  File(waiting_, job, job->waiting() > 0);
  File(running_, job, job->live() > 0);
}

}  // namespace strided
