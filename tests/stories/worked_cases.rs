//! The worked merge cases: what two people record without a network, and what every screen shows once it has met.
//!
//! | two offline edits | test |
//! |---|---|
//! | both add one person to an activity | `sessions::one_person_added_twice_is_one_participation`, `sessions::differing_minutes_of_one_participation_wait_for_a_person` |
//! | both type 20 served | `sessions::twenty_typed_twice_stays_twenty` |
//! | 20 and 35 served | `sessions::twenty_and_thirty_five_wait_for_a_person_and_one_of_them_counts` |
//! | a note and a venue | `sessions::a_note_and_a_venue_are_both_kept_without_a_mark` |
//! | two notes | `sessions::of_two_notes_the_newest_shows_and_the_other_stays_in_the_history` |
//! | one cleaning day entered twice | `sessions::one_cleaning_day_entered_twice_is_proposed_and_counted_once_when_decided` |
//! | one member, one id number | `people::one_id_number_typed_on_two_devices_is_one_member` |
//! | one name in two grids | `people::one_name_in_two_grids_is_a_candidate_and_counts_twice_until_decided` |
//! | two communities confirm one member | `people::a_member_confirmed_in_two_communities_counts_in_the_earlier_until_decided` |
//! | verified here, edited there | `sessions::a_date_edited_beside_the_verification_is_a_correction` |
//! | moved out here, took part there before | `people::work_before_a_move_counts_where_it_was_done` |
//!
//! The twelfth, a period closed before a device returns, comes with the closing of periods.

mod city;
mod people;
mod sessions;
