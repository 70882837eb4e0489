package pgcron

// Valid and Invalid are schedules that pg_cron takes and refuses.
var Valid, Invalid = valid, invalid
