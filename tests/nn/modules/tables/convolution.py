"""Cases: convolution."""

from __future__ import annotations

from tests.nn.modules.case import function, of, x

CASES = [
    of("Conv1d", 4, 6, 3, stride=2, padding=1).on(x(2, 4, 9)),
    of("Conv1d", 4, 6, 3, padding="same", dilation=2).on(x(4, 9)),
    of("Conv2d", 4, 6, 3).on(x(2, 4, 7, 8)),
    of("Conv2d", 4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2, bias=False).on(
        x(2, 4, 7, 8)
    ),
    of("Conv2d", 4, 4, 3, padding="same", groups=4).on(x(4, 7, 8)),
    of("Conv2d", 2, 3, 3, padding=1, padding_mode="reflect").on(x(2, 2, 5, 6)),
    of("Conv2d", 2, 3, 3, padding=(1, 2), padding_mode="replicate").on(x(2, 2, 5, 6)),
    of("Conv2d", 2, 3, 3, padding=2, padding_mode="circular", dilation=2).on(x(2, 2, 5, 6)),
    of("Conv3d", 2, 3, 2, padding=1, stride=2).on(x(2, 2, 4, 5, 6)),
    of("ConvTranspose1d", 4, 3, 3, stride=2, output_padding=1).on(x(2, 4, 5)),
    of("ConvTranspose2d", 4, 6, 3, stride=2, padding=1, groups=2).on(x(2, 4, 4, 5)),
    of("ConvTranspose2d", 4, 6, (3, 2), dilation=2, bias=False).on(x(4, 4, 5)),
    of("ConvTranspose3d", 2, 3, 2, stride=2).on(x(1, 2, 3, 3, 2)),
    of("ConvTranspose2d", 2, 3, 3, stride=2)
    .on(x(1, 2, 4, 4), output_size=[10, 9])
    .but(unlike=("an axis more",)),  # (its sizes are read before the rank is looked at)
    of("ConvTranspose2d", 2, 3, 3, stride=2)
    .on(x(1, 2, 4, 4), output_size=[99, 9])
    .but(raises=True),
    function("conv_tbc", pad=2).on(x(5, 2, 3), x(2, 3, 4), x(4)),
    function("conv_tbc").on(x(5, 2, 3), x(2, 4, 3), x(4)).but(raises=True),
]
