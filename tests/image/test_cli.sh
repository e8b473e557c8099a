#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What all programs have in common: --help with an example, a man page, completion, exit
# codes and hints for a wrong command line. Compares lists with each other, so that a new
# command or option without its page or completion is found.
#
# Needs VFSR_BUILD (programs) and VFSR_SRC (documents); makes files in TMPDIR only.

src=${VFSR_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${VFSR_BUILD:-$src/build}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/vfsr-cli.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
failed=0

# verdict NAME: by the status of the command before it
verdict()
{
	if (($? == 0)); then
		echo "ok $1"
	else
		echo "not ok $1"
		failed=1
	fi
}

# fails CODE WORDS COMMAND...: ends with this code, without output but an error with these words
fails()
{
	local code=$1 words=$2 status
	shift 2
	"$@" >out 2>err
	status=$?
	if ((status != code)) || [[ -s out ]] || ! grep -q -e "$words" err; then
		echo "$*: status $status (not $code), or no '$words' in its error:"
		cat out err
		return 1
	fi
}

# long_options FILE: the long options that a text tells
long_options()
{
	grep -oE -e '(^|[^-[:alnum:]])--[a-z][a-z-]+' "$1" | grep -oE -e '--[a-z-]+' | sort -u
}

# same_options WHAT HELP OTHER: every option of HELP is in OTHER
same_options()
{
	local missing
	missing=$(comm -23 <(long_options "$2") <(long_options "$3"))
	[[ -z $missing ]] || {
		echo "$1: not in $3: $missing"
		return 1
	}
}

# page NAME: the man page as text in NAME.txt
page()
{
	local file=$src/Documentation/man/$1
	[[ -f $file ]] || {
		echo "no page $file"
		return 1
	}
	# plain hyphens, so that options are found
	groff -man -Tascii -P-c "$file" 2>warnings | sed 's/.\x08//g' >"$1.txt"
	[[ ! -s warnings ]] || {
		cat warnings
		return 1
	}
}

for program in mkfs.vfsr fsck.vfsr mount.vfsr vfsr; do
	[[ -x $build/$program ]] || {
		echo "skip all of it: $program is not built"
		exit 0
	}
done
mapfile -t commands < <("$build/vfsr" --list-commands)

# --- help ---

check_help()
{
	"$@" --help >help 2>err || {
		echo "$*: --help fails"
		return 1
	}
	[[ ! -s err ]] && grep -q '^Usage: ' help && grep -A1 '^Example' help | tail -n 1 | grep -q '^  '
}

for command in "${commands[@]}"; do
	check_help "$build/vfsr" "$command" && grep -q -e '--json' help && grep -q 'Exit status' help
	verdict "help of vfsr $command"
	cp help "help-vfsr-$command"
done
for program in vfsr mkfs.vfsr fsck.vfsr mount.vfsr; do
	check_help "$build/$program" && grep -q -e '--json' help
	verdict "help of $program"
	cp help "help-$program"
	"$build/$program" --version | grep -qE "^$program [0-9]+\.[0-9]"
	verdict "version of $program"
done

ok=0
for command in "${commands[@]}"; do
	grep -qE "^  $command +[A-Z]" help-vfsr || ok=1
done
((ok == 0))
verdict 'help of vfsr lists every command'

# --- man pages ---

for command in "${commands[@]}"; do
	page "vfsr-$command.8" && same_options "$command" "help-vfsr-$command" "vfsr-$command.8.txt"
	verdict "page of vfsr $command"
done
for program in mkfs.vfsr fsck.vfsr mount.vfsr; do
	page "$program.8" && same_options "$program" "help-$program" "$program.8.txt"
	verdict "page of $program"
done
page vfsr.8 && page vfsr.5
verdict 'pages of vfsr'

ok=0
for file in "$src"/Documentation/man/vfsr-*.8; do
	name=${file##*/vfsr-}
	printf '%s\n' "${commands[@]}" | grep -qx "${name%.8}" || {
		echo "$file is of no command"
		ok=1
	}
done
for command in "${commands[@]}"; do
	grep -q "vfsr\\\\-$command" "$src/Documentation/man/vfsr.8" || {
		echo "vfsr.8 does not name $command"
		ok=1
	}
done
((ok == 0))
verdict 'pages are those of the commands'

ok=0
for file in "$src"/Documentation/man/*.[58]; do
	for section in NAME DESCRIPTION EXAMPLES 'SEE ALSO'; do
		grep -qE "^\.SH \"?$section\"?\$" "$file" || {
			echo "$file has no $section"
			ok=1
		}
	done
	[[ $file == *.5 ]] || grep -q '^\.SH "EXIT STATUS"$' "$file" || {
		echo "$file has no EXIT STATUS"
		ok=1
	}
	# pages that are named exist, if they are ours
	while read -r name; do
		[[ -f $src/Documentation/man/$name ]] || {
			echo "$file names $name, which is not there"
			ok=1
		}
	done < <(sed -nE 's/^\.BR ((mkfs\.|fsck\.|mount\.)?vfsr(\\-[a-z]+)?) \(([58])\).*/\1.\4/p' "$file" | sed 's/[\]//g')
done
((ok == 0))
verdict 'sections of the pages'

# --- completion ---

bash_file=$src/tools/completions/vfsr.bash
zsh_file=$src/tools/completions/_vfsr

# complete WORD...: what bash offers for the last word
complete_words()
{
	PATH=$build:$PATH bash -c '
		source "$0"
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		case $1 in
		mkfs.vfsr) _mkfs_vfsr ;;
		fsck.vfsr) _fsck_vfsr ;;
		mount.vfsr) _mount_vfsr ;;
		*) _vfsr ;;
		esac
		printf "%s\n" "${COMPREPLY[@]}"' "$bash_file" "$@" 2>&1
}

for command in "${commands[@]}"; do
	complete_words vfsr '' | grep -qx "$command" &&
		complete_words vfsr "$command" -- >completed &&
		same_options "$command" "help-vfsr-$command" completed &&
		grep -qE "^	$command\)" "$zsh_file" && grep -q "'$command:" "$zsh_file"
	verdict "completion of vfsr $command"
done
for program in mkfs.vfsr fsck.vfsr mount.vfsr; do
	complete_words "$program" -- >completed
	same_options "$program" "help-$program" completed &&
		same_options "$program" "help-$program" "$zsh_file"
	verdict "completion of $program"
done
for command in "${commands[@]}"; do
	same_options "$command" "help-vfsr-$command" "$zsh_file" || break
done
verdict 'options of vfsr for zsh'

touch disk1.img
[[ $(complete_words vfsr map disk) == disk1.img ]] &&
	[[ $(complete_words vfsr inspect gr) == grid ]] &&
	complete_words mkfs.vfsr -d '' | grep -qx 'grid:4+2+1'
verdict 'completion of files and words'

# every policy that is offered is one
truncate -s 64M disk{1..10}.img
ok=0
for policy in $(complete_words mkfs.vfsr -d '') $(grep -A3 '^_vfsr_policies' "$zsh_file" |
	grep -oE '(single|mirror|(replica|ec|grid):[0-9+]+)'); do
	"$build/mkfs.vfsr" -q -n -d "$policy" disk{1..10}.img || ok=1
done
((ok == 0))
verdict 'policies that are offered'

if command -v zsh >/dev/null; then
	zsh -n "$zsh_file"
	verdict 'syntax for zsh'
else
	echo 'skip syntax for zsh: zsh is not installed'
fi

# --- wrong command lines ---

ok=0
for command in "${commands[@]}"; do
	fails 2 "unknown option.*see 'vfsr $command --help'" "$build/vfsr" "$command" --no-such-option x || ok=1
	fails 2 "see 'vfsr $command --help'" "$build/vfsr" "$command" -Z || ok=1
	fails 2 "see 'vfsr $command --help'" "$build/vfsr" "$command" || ok=1
done
((ok == 0))
verdict 'wrong options of vfsr'

fails 1 'see mkfs.vfsr --help' "$build/mkfs.vfsr" --no-such-option x &&
	fails 1 'see mkfs.vfsr --help' "$build/mkfs.vfsr" -Z x &&
	fails 1 'see mkfs.vfsr --help' "$build/mkfs.vfsr" &&
	fails 1 'is not a policy; use' "$build/mkfs.vfsr" -d raid5 x
verdict 'wrong options of mkfs.vfsr'

fails 16 "see 'fsck.vfsr --help'" "$build/fsck.vfsr" --no-such-option x &&
	fails 16 "see 'fsck.vfsr --help'" "$build/fsck.vfsr" -Z x &&
	fails 16 "see 'fsck.vfsr --help'" "$build/fsck.vfsr" &&
	fails 16 "see 'fsck.vfsr --help'" "$build/fsck.vfsr" -n -y x
verdict 'wrong options of fsck.vfsr'

fails 1 'see mount.vfsr --help' "$build/mount.vfsr" --no-such-option x y &&
	fails 1 'see mount.vfsr --help' "$build/mount.vfsr" -Z x y &&
	fails 1 'see mount.vfsr --help' "$build/mount.vfsr" x
verdict 'wrong options of mount.vfsr'

fails 2 "did you mean 'restore'" "$build/vfsr" restores &&
	fails 2 "did you mean 'verify'" "$build/vfsr" verif &&
	fails 2 "did you mean 'inspect'" "$build/vfsr" insepct &&
	fails 2 "did you mean 'map'" "$build/vfsr" mpa &&
	fails 2 "'vfsr --help' lists them" "$build/vfsr" defragment &&
	fails 2 "'vfsr --help' lists them" "$build/vfsr" "$(printf 'x%.0s' {1..300})"
verdict 'did you mean'

fails 2 'Usage: ' "$build/vfsr"
verdict 'no command'

ok=0
for command in verify map 'inspect super' 'restore --to out'; do
	# shellcheck disable=SC2086
	fails 1 'absent.img' "$build/vfsr" $command absent.img || ok=1
done
fails 8 'absent.img' "$build/fsck.vfsr" absent.img || ok=1
fails 1 'absent.img' "$build/mkfs.vfsr" absent.img || ok=1
VFSR_DEVICES='' fails 32 'absent.img' "$build/mount.vfsr" -f absent.img mnt || ok=1
((ok == 0))
verdict 'a device that is not there'

exit $failed
