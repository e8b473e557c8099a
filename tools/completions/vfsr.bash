# SPDX-License-Identifier: GPL-2.0-only
#
# Completion for bash of vfsr, mkfs.vfsr, fsck.vfsr and mount.vfsr. Commands are asked from
# the program, options are listed here; tests/image/test_cli.sh compares them
# with what --help tells.
# shellcheck shell=bash

# Replace COMPREPLY by those of the words that fit. A word may hold ':'.
_vfsr_words()
{
	COMPREPLY=()
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
	if [[ $cur == *:* ]] && declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$cur"
	fi
}

_vfsr_files()
{
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

_vfsr_dirs()
{
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -d -- "$cur")
}

# The word at the cursor and the one before it, not split at ':'
_vfsr_begin()
{
	COMPREPLY=()
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n : cur prev
	fi
}

_vfsr_options()
{
	case $1 in
	restore) echo '--to --overwrite --threads --force --json --quiet --verbose --help' ;;
	verify) echo '--repair --force --quiet --verbose --threads --json --help' ;;
	inspect) echo '--all --force --quiet --verbose --json --help' ;;
	map) echo '--json --force --quiet --verbose --help' ;;
	esac
}

_vfsr()
{
	local cur prev command=${COMP_WORDS[1]} what=super\ strips\ grid\ footer\ map\ inode\ tree

	_vfsr_begin
	if ((COMP_CWORD == 1)); then
		_vfsr_words "$("${COMP_WORDS[0]}" --list-commands 2>/dev/null) --help --version --list-commands"
		return
	fi
	case $prev in
	--to)
		_vfsr_dirs
		return
		;;
	--threads) return ;;
	esac
	if [[ $cur == -* ]]; then
		_vfsr_words "$(_vfsr_options "$command")"
	elif [[ $command == inspect ]] && ((COMP_CWORD == 2)); then
		_vfsr_words "$what"
	else
		_vfsr_files
	fi
}

_mkfs_vfsr()
{
	local cur prev

	_vfsr_begin
	case $prev in
	-d | --data | -m | --metadata)
		_vfsr_words 'single mirror replica:2 replica:3 ec:2+1 ec:4+2 ec:8+2 grid:2+1+1 grid:4+2+1 grid:8+2+1 grid:16+1+1'
		;;
	--strip) _vfsr_words '64K 128K 256K 512K 1M 2M 4M 8M 16M' ;;
	--compress) _vfsr_words 'none zlib zlib:1 zlib:6 zlib:9' ;;
	-O | --features) _vfsr_words 'interleaved ^interleaved' ;;
	--rootdir) _vfsr_dirs ;;
	-L | --label | -U | --uuid) ;;
	*)
		if [[ $cur == -* ]]; then
			_vfsr_words '-L -U -d -m -O -f -K -n -q -v -V --label --uuid --data --metadata --strip
				--compress --rootdir --features --force --nodiscard --dry-run --quiet --verbose
				--json --version --help'
		else
			_vfsr_files
		fi
		;;
	esac
}

_fsck_vfsr()
{
	local cur prev

	_vfsr_begin
	if [[ $prev == -C ]]; then
		_vfsr_words '0 1 2'
	elif [[ $cur == -* ]]; then
		_vfsr_words '-a -p -n -y -f -v -q -C -V -h --json --rebuild-map --version --help'
	else
		_vfsr_files
	fi
}

_mount_vfsr()
{
	local cur prev

	_vfsr_begin
	case $prev in
	-o | --options)
		_vfsr_words 'ro rw degraded device= compress=zlib:1 compress=none compress_keep= commit= noatime remount'
		;;
	-t | --types) _vfsr_words 'vfsr' ;;
	*)
		if [[ $cur == -* ]]; then
			_vfsr_words '-o -f -n -s -v -t -V -h --options --fake --dry-run --json --no-mtab --sloppy
				--verbose --types --udev --version --help'
		else
			_vfsr_files
		fi
		;;
	esac
}

complete -F _vfsr vfsr
complete -F _mkfs_vfsr mkfs.vfsr
complete -F _fsck_vfsr fsck.vfsr
complete -F _mount_vfsr mount.vfsr
