# Printing every table.
# shellcheck shell=bash
scenario()
{
	muster describe
}

after()
{
	is_status 0 muster describe
	json_is '.errors | length > 5' true
}
