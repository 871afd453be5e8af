//! Runs the tests on every home.

use super::{Database, File, history, keeping, lives, looking, notices, outbox, pulls, shared};

/// One test for each, on a home of its own.
macro_rules! on {
    ($home:ident, $make:expr; $($module:ident: $($test:ident)*;)*) => {
        mod $home {
            use super::*;
            $($(
                #[test]
                fn $test() {
                    let Some(home) = $make else { return };
                    $module::$test(&home);
                }
            )*)*
        }
    };
}

/// The tests, for the homes that are given to it.
macro_rules! everywhere {
    ($($home:ident: $make:expr;)*) => {$(
        on! { $home, $make;
            pulls:
                changes_are_counted_by_type
                a_pull_that_is_held_leaves_nothing
                a_pull_that_breaks_off_leaves_nothing
                of_lines_of_one_key_one_stands_whatever_their_order
                names_of_what_changed_are_judged_again
                an_identity_that_changed_leads_to_those_who_name_it
                what_belongs_to_all_leads_to_all
                the_first_and_last_grant_on_a_system_lead_to_all
                an_exception_leads_to_the_findings_of_its_check
                what_two_sources_say_of_one_thing_leads_to_both
                records_are_found_by_their_names
                a_source_that_is_let_go_leaves_its_history
                how_a_source_stands_is_remembered_with_its_records;
            history:
                every_past_run_can_be_seen_as_it_was
                the_engine_keeps_every_line_as_it_came;
            lives:
                every_field_of_a_life_is_kept
                every_field_of_a_verdict_is_kept
                the_tally_is_what_counting_would_say
                what_is_kept_of_a_batch_is_all_or_nothing
                lives_are_found_by_home_state_and_absence
                what_is_due_is_marked
                an_exception_is_remembered_until_it_ends;
            looking:
                what_is_looked_for_is_what_going_through_all_would_find;
            outbox:
                of_a_finding_the_first_word_goes_first
                a_group_is_sealed_when_the_run_ends
                findings_that_change_groups_do_not_wait_for_each_other
                what_becomes_of_a_message
                a_message_that_was_given_up_begins_anew
                a_clock_that_was_set_back_silences_nobody
                what_was_muted_is_told_while_it_holds
                sinks_that_are_gone_are_forgotten
                order_is_kept_in_any_history;
            notices:
                of_signs_of_life_the_latest_waits
                of_signs_of_life_that_were_refused_the_latest_is_kept
                a_digest_waits_for_its_receiver;
            keeping:
                a_backup_of_a_store_in_use_is_whole
                a_backup_overwrites_nothing
                what_is_true_or_untold_is_never_forgotten
                a_finding_that_comes_back_after_all_was_forgotten_goes_on_counting;
            shared:
                runs_and_facts_are_remembered
                sources_are_remembered
                two_handles_see_the_same
                a_writer_waits_for_another
                whether_it_can_be_written_to;
        }
    )*};
}

everywhere! {
    sqlite: Some(File::new());
    postgres: Database::new();
}
