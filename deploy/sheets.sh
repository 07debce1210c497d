#!/usr/bin/env bash
# The pictures, the sound and the text of the model cards, made anew by the server in one run: starts it with the
# bundled models, writes deploy/models/<model>/{samples.png,completions.png,sample.wav,waveform.png,sample.txt}
# (sheets.py says which are of which model), and stops it.
#
#   ./deploy/sheets.sh [--images FILE.u8 [--labels FILE.u8]]
#
# With --images, raw images of the image model's size, their upper halves are completed; CIFAR-10's test images
# are test10k.u8 of the model card, its labels test_labels.u8. STRIDED_LISTEN chooses another address.

arguments=()
for argument in "$@"; do  # common.sh leaves the folder that paths are relative to
  [[ ! -f $argument ]] || argument=$(realpath "$argument")
  arguments+=("$argument")
done

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_packages python3
build_programs
start_server --drain_delay=0s
python3 deploy/sheets.py "${arguments[@]}" "$bin/stride" "$address" deploy/models
