"""Colours of all figures: of the Okabe-Ito palette, told apart by colour-blind eyes.

Lines and markers differ in style as well, so that figures survive grey print.
"""

BLUE, ORANGE, GREEN, BLACK = "#0072B2", "#D55E00", "#009E73", "#000000"
