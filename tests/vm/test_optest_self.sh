#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# optest sees what it is there to see: trees spoiled behind its back, and a file that changes
# while its file system is not mounted by it.
# disks: 512M
# timeout: 700

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"
# shellcheck source=tests/vm/anyfs.sh
. "$(dirname "$0")/anyfs.sh"

# flip one bit of the first file that is long enough, below DIR
flip()
{
	cat <<-'PERL'
		use File::Find;
		my @files;
		find({ wanted => sub { push @files, $_ if -f && !-l && -s > 3000 }, no_chdir => 1 }, $ARGV[0]);
		my ($file) = sort @files;
		open(my $f, "+<", $file) or die "$file: $!";
		seek($f, 1000, 0);
		read($f, my $c, 1);
		seek($f, 1000, 0);
		print $f $c ^ "\1";
	PERL
}

fs_there || exit 1
run 'mkfs' fs_mkfs "${DISKS[@]}"
run 'mount' fs_mount "$MNT" "${DISKS[@]}"
optest --self-test "$MNT"
flip >/tmp/flip.pl
optest --seed 9 --ops 1500 --remount-every 1000 \
	--remount "umount $MNT && $(fs_mount_command "$MNT" "${DISKS[@]}") && perl /tmp/flip.pl $MNT" \
	"$MNT" >/tmp/out
equal 'a flipped bit ends the run with status 1' 1 $?
run 'the report names the data' grep -q 'DIFFERENCE data:.*1 wrong bytes from 1000 to 1000' /tmp/out
run 'the report names the seed' grep -q 'repeat with --replay 9' /tmp/out
