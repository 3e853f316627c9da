//! The central side: enrolment, receipts, merging, the office's work.
