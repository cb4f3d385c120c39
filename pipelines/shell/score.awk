# Reads `truth<TAB>answer` lines; prints the metrics as JSON: how many lines, and the share that was judged right,
# beside the share that would be right by always naming the commonest text.

{
    lines++
    right += ($1 == $2)
    if (++of[$1] > most) most = of[$1]
}

END {
    printf "{\"lines\": %d, \"accuracy\": %.4f, \"commonest\": %.4f}\n", lines, right / lines, most / lines
}
