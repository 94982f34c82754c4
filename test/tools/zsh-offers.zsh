# zsh zsh-offers.zsh SCRIPT LINE: what zsh, with that completion script, offers for a line with the cursor at its end, one a
# line. A zsh at a terminal of its own, in which compadd also writes down what it is given.
zmodload zsh/zpty
out=$(mktemp)
zpty z zsh -f -i
zpty -w z "PS1=; autoload -Uz compinit; compinit -u -D; source ${(q)1}; compadd() { local -a hits; builtin compadd -O hits \"\$@\"; (( \$#hits )) && print -rl -- \$hits >> $out; builtin compadd \"\$@\" }; LISTMAX=10000; setopt no_list_beep; bindkey '^I' list-choices; print READY >> $out"
for i in {1..200}; do grep -q READY $out && break; sleep 0.05; done
zpty -n -w z "$2"$'\t'
# A key that comes while zsh completes may end that: wait until something was offered (or nothing is, for 5 seconds).
for i in {1..100}; do zpty -r -t z junk; (( $(wc -l < $out) > 1 )) && break; sleep 0.05; done
sleep 0.2
zpty -n -w z $'\x15print DONE >> '$out$'\n'
for i in {1..200}; do zpty -r -t z junk; grep -q DONE $out && break; sleep 0.05; done
zpty -d z
grep -v -e '^READY$' -e '^DONE$' $out
rm -f $out
